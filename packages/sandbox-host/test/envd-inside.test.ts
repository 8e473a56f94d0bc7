import { Sandbox } from 'e2b';
import { Sandbox as OlderSandbox } from 'e2b-older';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandboxHost, type SandboxHost } from '../src/index.js';
import { useHostProcesses } from './host-process.js';

const probed = await createSandboxHost();
const { network } = probed.capabilities;
await probed.close();
const hasOwnNetwork = network.level === 'enforced';
const why = hasOwnNetwork ? '' : ` (skipped: ${network.reason})`;

const envd = 'http://localhost:49983';

/** The option of curl with which a request has the sandbox's token. */
const tokenOf = (sandbox: Sandbox): string =>
  `-H 'X-Access-Token: ${(sandbox as unknown as { envdAccessToken: string }).envdAccessToken}'`;

/** What a request of a program gets: its status, and its body. */
async function ask(sandbox: Sandbox, path: string, options = ''): Promise<{ status: number; body: string }> {
  const { stdout } = await sandbox.commands.run(
    `curl -s --max-time 20 -w '\\n%{http_code}' ${options} '${envd}${path}' || true`,
  );
  const lines = stdout.split('\n');
  return { status: Number(lines.pop()), body: lines.join('\n') };
}

describe.skipIf(!hasOwnNetwork)(`envd at localhost:49983 of a sandbox${why}`, () => {
  let host: SandboxHost;
  const create = (options: Parameters<typeof Sandbox.create>[1] = {}): Promise<Sandbox> => {
    const { apiUrl, sandboxUrl, apiKey } = host;
    return Sandbox.create('base', { apiUrl, sandboxUrl, apiKey, ...options });
  };
  beforeAll(async () => {
    host = await createSandboxHost();
  });
  afterAll(() => host.close());

  test('answers what it answers outside, with the token where that is needed there', async () => {
    const sandbox = await create({ envs: { NAME: 'wörld "quoted"\n' } });
    const token = tokenOf(sandbox);
    expect(await ask(sandbox, '/health')).toEqual({ status: 204, body: '' });
    for (const path of ['/envs', '/metrics']) {
      expect(await ask(sandbox, path)).toMatchObject({ status: 401 });
      expect(await ask(sandbox, path, "-H 'X-Access-Token: wrong'")).toMatchObject({ status: 401 });
    }
    const envs = await ask(sandbox, '/envs?a=b', token);
    expect(envs.status).toBe(200);
    expect(JSON.parse(envs.body)).toEqual({ NAME: 'wörld "quoted"\n' });
    const metrics = await ask(sandbox, '/metrics', token);
    expect(JSON.parse(metrics.body)).toMatchObject({ cpu_count: 2, mem_total: expect.any(Number) });
    const head = await ask(sandbox, '/envs', `${token} -I`);
    expect(head).toMatchObject({ status: 200, body: expect.stringMatching(/content-length: \d\d/) });
  });

  test('is open where the sandbox is, and of that sandbox only', async () => {
    const { apiUrl, sandboxUrl, apiKey } = host;
    for (const NAME of ['one', 'other']) {
      const open = await OlderSandbox.create('base', {
        ...{ apiUrl, sandboxUrl, apiKey },
        ...{ secure: false, envs: { NAME } },
      });
      expect(JSON.parse((await ask(open as unknown as Sandbox, '/envs')).body)).toEqual({ NAME });
    }
    const [one, other] = await Promise.all([create(), create()]);
    expect(await ask(one, '/envs', tokenOf(other))).toMatchObject({ status: 401 });
  });

  test('starts no commands, reads no files and leads nowhere else', async () => {
    const sandbox = await create();
    const token = tokenOf(sandbox);
    for (const path of ['/files?path=/etc/passwd', '/process.Process/List', '/sandboxes', '//health', '/'])
      expect(await ask(sandbox, path, token), path).toMatchObject({ status: 404 });
    expect(await ask(sandbox, '/health', '-X POST -d body')).toMatchObject({ status: 405 });
    const named = `${token} -H 'E2b-Sandbox-Id: other' -H 'Host: api.example.com'`;
    expect(await ask(sandbox, '/envs', named)).toMatchObject({ status: 200, body: '{}' });
    const { stdout } = await sandbox.commands.run(
      `exec 3<>/dev/tcp/localhost/49983; printf 'nonsense\\r\\n\\r\\n' >&3; cat <&3`,
    );
    expect(stdout).toContain('400 Bad Request');
  });

  test('goes on after a pause, also for a request that was under way', async () => {
    const sandbox = await create();
    await sandbox.commands.run(
      `exec 3<>/dev/tcp/localhost/49983; printf 'GET /health HTTP/1.1\\r\\n' >&3
       echo begun > begun; while [ ! -e go ]; do sleep 0.05; done; printf '\\r\\n' >&3; cat <&3 > answer`,
      { background: true },
    );
    await expect.poll(() => sandbox.files.exists('begun')).toBe(true);
    await sandbox.pause();
    await sandbox.connect();
    expect(await ask(sandbox, '/health')).toMatchObject({ status: 204 });
    await sandbox.files.write('go', '');
    await expect.poll(() => sandbox.files.read('answer')).toContain('204 No Content');
  });

  test('holds few connections, briefly, and little of what they say', async () => {
    const sandbox = await create();
    const { stdout } = await sandbox.commands.run(`cat > hoard.mjs <<'END'
import net from 'node:net';
const dial = () => new Promise((resolve) => {
  const socket = net.connect(49983, '127.0.0.1', () => resolve(socket)).on('error', () => resolve(socket));
});
// A head that does not end.
const long = await dial();
const cut = new Promise((resolve) => long.once('close', () => resolve('cut')));
long.on('error', () => {}).write('GET /health HTTP/1.1\\r\\nx: ' + 'x'.repeat(100_000));
console.log(await cut);
// More than it takes, and none says a word: they are closed, and those that wait get their turn.
for (let i = 0; i < 24; i += 1) net.connect(49983, '127.0.0.1').on('error', () => {});
const response = await fetch('http://localhost:49983/health');
console.log(response.status);
process.exit();
END
node hoard.mjs`);
    expect(stdout).toBe('cut\n204\n');
    expect((await sandbox.commands.run('echo well')).stdout).toBe('well\n');
  }, 60_000);

  test('cannot be asked from other sandboxes', async () => {
    const [one, other] = await Promise.all([create(), create()]);
    const { stdout: address } = await one.commands.run(`hostname -I | tr -d ' \\n'`);
    expect(address).toMatch(/^\d+(\.\d+){3}$/);
    const { stdout } = await other.commands.run(
      `curl -s --max-time 2 http://${address}:49983/health -o /dev/null -w '%{http_code}' || true`,
    );
    expect(stdout).toBe('000');
  });
});

describe.skipIf(!hasOwnNetwork)(`envd at localhost:49983${why}`, () => {
  const hosts = useHostProcesses();
  test('waits for the next host when the one before was killed', async () => {
    const { dataDir } = hosts;
    const first = await hosts.start({ dataDir });
    const sandbox = await Sandbox.create('base', {
      ...first.connection,
      envs: { NAME: 'kept' },
    });
    await sandbox.commands.run(
      `while :; do curl -s --max-time 60 ${tokenOf(sandbox)} ${envd}/envs >> seen; echo >> seen; sleep 0.1; done`,
      { background: true, timeoutMs: 0 },
    );
    await expect.poll(() => sandbox.files.read('seen').catch(() => '')).toContain('kept');
    await first.kill();
    const second = await createSandboxHost({ dataDir, port: first.port });
    try {
      await sandbox.files.write('seen', '');
      await expect.poll(() => sandbox.files.read('seen'), { timeout: 20_000 }).toContain('{"NAME":"kept"}');
    } finally {
      await second.close();
    }
  }, 60_000);
});

test('is absent where sandboxes share the network of the host, which says so', async () => {
  const host = await createSandboxHost({ isolation: 'none' });
  try {
    expect(host.capabilities.network.reason).toContain('localhost:49983');
  } finally {
    await host.close();
  }
});
