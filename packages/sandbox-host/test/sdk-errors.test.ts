import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeIsolated, gitObstacle, isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import * as newest from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { describeHosts, type HostFixture } from './with-host.js';

type Provoke = (fixture: HostFixture) => Promise<unknown>;

const inSandbox =
  (call: (sandbox: newest.Sandbox) => Promise<unknown>): Provoke =>
  async (fixture) => {
    const sandbox = await fixture.create();
    try {
      return await call(sandbox);
    } finally {
      await sandbox.kill();
    }
  };

/** Clones from a server that wants a password for everything; it is wherever `localhost` leads from the sandbox. */
const cloneWithoutPassword: Provoke = async (fixture) => {
  const outside = createServer((_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
  });
  const inside = `require('http').createServer((q, s) => s.writeHead(401, { 'www-authenticate': 'Basic' }).end()).listen(8080, () => console.log('up'))`;
  const clone = inSandbox(async ({ commands, git }) => {
    let port = 8080;
    if (fixture.host.capabilities.network.level !== 'enforced') {
      await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve));
      port = (outside.address() as AddressInfo).port;
    } else {
      await new Promise<unknown>((onStdout) => {
        void commands.run(`node -e "${inside}"`, { background: true, timeoutMs: 0, onStdout });
      });
    }
    return git.clone(`http://localhost:${port}/repository.git`, { path: 'copy' });
  });
  try {
    return await clone(fixture);
  } finally {
    outside.close();
  }
};

/** What makes the unmodified SDK throw each of its errors, and what it then says. */
const provocations: Record<string, { provoke: Provoke; says: RegExp; status?: number }> = {
  SandboxError: {
    provoke: (fixture) => fixture.create('no-such-template'),
    says: /404: Template "no-such-template" was not found/,
    status: 404,
  },
  TimeoutError: {
    provoke: inSandbox(({ commands }) => commands.run('sleep 100', { timeoutMs: 300 })),
    says: /exceeding 'timeoutMs'/,
  },
  InvalidArgumentError: {
    provoke: inSandbox(({ commands }) => commands.run('true', { cwd: '/nowhere' })),
    says: /\/nowhere does not exist/,
  },
  NotFoundError: {
    provoke: inSandbox(({ commands }) => commands.connect(999_999)),
    says: /no process with pid 999999/,
  },
  FileNotFoundError: {
    provoke: inSandbox(({ files }) => files.read('nowhere')),
    says: /nowhere does not exist/,
  },
  SandboxNotFoundError: {
    provoke: ({ sdk, connection }) => sdk.Sandbox.connect('nobody', connection),
    says: /sandbox nobody not found/,
  },
  AuthenticationError: {
    provoke: ({ sdk, connection }) => sdk.Sandbox.create({ ...connection, apiKey: 'wrong' }),
    says: /check your credentials/,
  },
  GitAuthError: { provoke: cloneWithoutPassword, says: /clone requires credentials/ },
  GitUpstreamError: {
    provoke: inSandbox(async ({ git }) => {
      await git.init('work', { initialBranch: 'main' });
      return git.pull('work');
    }),
    says: /no upstream branch/,
  },
  TemplateError: {
    provoke: ({ sdk, connection }) => sdk.Template.assignTags('nobody:v1', 'stable', connection),
    says: /404: Template "nobody" was not found/,
  },
  BuildError: {
    provoke: ({ sdk, connection }) =>
      sdk.Template.build(sdk.Template().fromTemplate('base').runCmd('exit 7'), 'failing', connection),
    says: /exit code 7/,
  },
  VolumeError: {
    provoke: ({ sdk, connection }) => sdk.Volume.create('no/name', connection),
    says: /400: body.name/,
  },
  VolumeNotFoundError: {
    provoke: ({ sdk, connection }) => sdk.Volume.connect('nobody', connection),
    says: /Volume nobody not found/,
  },
  VolumePathNotFoundError: {
    provoke: async ({ sdk, connection, host: { apiUrl } }) => {
      const volume = await sdk.Volume.create('errors', connection);
      try {
        return await volume.readFile('/nowhere', { apiUrl });
      } finally {
        await sdk.Volume.destroy(volume.volumeId, connection);
      }
    },
    says: /Path \/nowhere not found/,
  },
  SecretError: {
    provoke: ({ sdk, connection }) => sdk.Secret.create('name', 'value', connection),
    says: /501: This host has no stored secrets/,
  },
  CommandExitError: { provoke: inSandbox(({ commands }) => commands.run('exit 3')), says: /exit status 3/ },
};

/** Provoked below, by much of something. */
const byMuch = ['RateLimitError', 'NotEnoughSpaceError', 'FileUploadError'];
/** What no call brings about here, and why. */
const unprovoked: Record<string, string> = {
  SecretNotFoundError: 'there are no secrets, and all that is about them is answered 501',
  ServiceBusyError:
    'the control plane answers 503 only when it closes, and then it ends its connections, too',
};

function errorClasses(sdk: object): string[] {
  const isError = (value: unknown): boolean => value instanceof Function && value.prototype instanceof Error;
  return Object.entries(sdk).flatMap(([name, value]) => (isError(value) ? [name] : []));
}

/** Of exactly this class, since most extend another one. */
async function expectError(call: Promise<unknown>, name: string, says: RegExp): Promise<unknown> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(String(error)).toMatch(says);
  expect((error as Error).constructor.name).toBe(name);
  return error;
}

describeHosts(
  'each error class of the SDK',
  (fixture) => {
    test('is provoked here or said not to be', () => {
      const said = new Set([...Object.keys(provocations), ...byMuch, ...Object.keys(unprovoked)]);
      expect(errorClasses(fixture.sdk).filter((name) => !said.has(name))).toEqual([]);
    });

    test.for(Object.entries(provocations))('%s', async ([name, { provoke, says, status }], { skip }) => {
      skip(name.startsWith('Git') && gitObstacle !== undefined, gitObstacle);
      const error = await expectError(provoke(fixture), name, says);
      // Of 2.51: which status it was.
      if (status && fixture.sdk === newest) expect(error).toHaveProperty('statusCode', status);
    });
  },
  { withOlderSdk: true, withTls: true },
);

test('RateLimitError for a reader that is slower than file events come', async ({ skip }) => {
  skip(isolationObstacle !== undefined, isolationObstacle);
  await using host = await createSandboxHost();
  const { apiUrl, sandboxUrl, apiKey } = host;
  const { commands, files } = await newest.Sandbox.create({ apiUrl, sandboxUrl, apiKey });
  await files.makeDir('watched');
  let goOn: (() => void) | undefined;
  const written = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let onExit: (error?: Error) => void = () => {};
  const ended = new Promise<Error | undefined>((resolve) => {
    onExit = resolve;
  });
  // Before anything is written: what is there when it begins is no event.
  await files.watchDir('watched', () => written, { timeoutMs: 0, onExit });
  // With long names, so that what lies in sockets on its way is not much.
  // With pauses: the kernel itself keeps no more than some 16,000 events for a host that is slow to fetch them.
  const write = `(async () => {
      for (let i = 0; i < 30_000; i++) {
        fs.writeFileSync('watched/' + String(i).padStart(240, '0'), '');
        if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })()`;
  await commands.run(`node -e "${write}"`, { timeoutMs: 0 });
  goOn?.();
  const says = /More than 10000 file events waited; watch again/;
  await expectError(
    ended.then((error) => Promise.reject(error)),
    'RateLimitError',
    says,
  );
}, 180_000);

describeIsolated('on a disk that is full', () => {
  let disk: string;
  let host: SandboxHost;
  let context: string;
  const connection = () => ({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
  const tooMuch = randomBytes(26 * 1024 * 1024);
  beforeAll(async () => {
    disk = await mkdtemp(join(tmpdir(), 'small-disk-'));
    context = await mkdtemp(join(tmpdir(), 'large-context-'));
    await writeFile(join(context, 'large'), tooMuch);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
    host = await createSandboxHost({ dataDir: join(disk, 'data'), minFreeDiskMb: 0 });
  });
  afterAll(async () => {
    await host?.close();
    // The kernel lets go of what sandboxes had of it a moment after they have ended.
    execFileSync('umount', ['--lazy', disk]);
    for (const path of [disk, context]) await rm(path, { recursive: true, force: true });
  });

  test('NotEnoughSpaceError however a file is sent, and what was there is as it was', async () => {
    const sandbox = await newest.Sandbox.create(connection());
    await sandbox.files.write('file', 'as it was');
    const expectFull = (writing: Promise<unknown>) =>
      expectError(writing, 'NotEnoughSpaceError', /no space left for the file/);
    for (const options of [{}, { useOctetStream: true }, { gzip: true }]) {
      await expectFull(sandbox.files.write('file', new Blob([tooMuch]), options));
      await expectFull(sandbox.files.write('file', new Blob([tooMuch]).stream(), options));
      expect(await sandbox.files.read('file')).toBe('as it was');
    }
    const several = ['one', 'file', 'two'].map((path) => ({
      path,
      data: path === 'file' ? tooMuch.buffer : path,
    }));
    await expectFull(sandbox.files.writeFiles(several));
    expect(await sandbox.files.read('file')).toBe('as it was');
    await sandbox.kill();
  });

  test('a snapshot is a 507, and leaves nothing of itself', async () => {
    const sandbox = await newest.Sandbox.create(connection());
    await sandbox.files.write('large', new Blob([tooMuch.subarray(0, 12 * 1024 * 1024)]));
    const layers = readdirSync(join(disk, 'data/layers'));
    const response = await fetch(`${host.apiUrl}/sandboxes/${sandbox.sandboxId}/snapshots`, {
      method: 'POST',
      headers: { 'x-api-key': host.apiKey },
    });
    expect([response.status, await response.json()]).toEqual([
      507,
      { code: 507, message: 'There is no space left on the disk.' },
    ]);
    expect(readdirSync(join(disk, 'data/layers'))).toEqual(layers);
    await sandbox.kill();
  });

  test('FileUploadError, and the next build finds room', async () => {
    const { Template } = newest;
    const large = Template({ fileContextPath: context }).fromTemplate('base').copy('large', 'large');
    await expectError(
      Template.build(large, 'large', connection()),
      'FileUploadError',
      /Failed to upload file: Insufficient Storage/,
    );
    await Template.build(Template().fromTemplate('base').runCmd('touch small'), 'small', connection());
  });
});
