import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { disksOf, groupsOf, processesWith } from '@sandpiper/engine-linux/testing/traces';
import { isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { CommandExitError, Sandbox, Template } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';
import { dieAt, useHostProcesses } from './host-process.js';
import { describeHosts } from './with-host.js';

/** Streams until it is told how to fail, and notes down every request whose body it has read. */
const server = `
const { appendFileSync } = require('node:fs');
let stream;
const fail = {
  end: () => stream.socket.end(),
  reset: () => stream.socket.resetAndDestroy(),
  die: () => process.kill(process.pid, 'SIGKILL'),
};
require('node:http').createServer(async (request, response) => {
  const [, what, how] = request.url.split('/');
  let body = '';
  for await (const chunk of request) body += chunk;
  if (what === 'stream') {
    stream = response;
    let n = 0;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write('data: ' + ++n + '\\n\\n'), 20);
    return response.on('close', () => clearInterval(timer));
  }
  if (what === 'fail') return response.end('soon', fail[how]);
  appendFileSync('taken', body + '\\n');
  if (what === 'silent') request.socket.destroy();
  else if (what === 'die') fail.die();
  else response.end('done');
}).listen(8080, () => console.log('up'));`;

describeHosts('a sandbox in which something goes wrong', (fixture) => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await fixture.create('base', { timeoutMs: 600_000 });
    await sandbox.files.write('server.js', server);
  });
  afterAll(async () => {
    await sandbox?.kill();
  });
  /** Starts the server and waits until it listens. @returns what ends it, if it has not ended itself. */
  async function startServer(): Promise<AsyncDisposable> {
    let output = '';
    const command = await sandbox.commands.run('exec node server.js', {
      background: true,
      timeoutMs: 0,
      onStdout: (data) => {
        output += data;
      },
    });
    await expect.poll(() => output, { timeout: 30_000 }).toBe('up\n');
    return {
      async [Symbol.asyncDispose]() {
        await command.kill();
        await command.wait().catch(() => {});
      },
    };
  }
  const ask = (path: string, body?: string) =>
    fetch(fixture.host.sandboxUrl + path, {
      method: 'POST',
      headers: { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' },
      body: body ?? '',
    });

  test.each(['end', 'reset', 'die'])(
    'cut at event N of a stream (%s): what came is whole, and nothing looks like its end',
    async (how) => {
      for (const n of [1, 4]) {
        await using _server = await startServer();
        const reader = (await ask('/stream')).body?.pipeThrough(new TextDecoderStream()).getReader();
        let text = '';
        const read = async () => {
          const { done, value = '' } = (await reader?.read()) ?? { done: true };
          text += value;
          return done;
        };
        while (!text.includes(`data: ${n}\n\n`)) expect(await read()).toBe(false);
        // It may be cut before it has answered.
        await ask(`/fail/${how}`).catch(() => {});
        const ended = (async () => {
          for (;;) if (await read()) return;
        })();
        await expect(ended).rejects.toThrow();
        const events = text.split('\n\n').slice(0, -1);
        expect(events.length).toBeGreaterThanOrEqual(n);
        expect(events).toEqual(events.map((_, index) => `data: ${index + 1}`));
      }
    },
  );

  test.each(['silent', 'die'])(
    'a request that was taken and not answered (%s) is a 502, and is not sent again',
    async (how) => {
      await using _server = await startServer();
      for (const [path, body] of [
        ['/done', 'first'],
        // On the connection of the one before.
        [`/${how}`, how],
      ] as const) {
        const response = await ask(path, body);
        const isDone = path === '/done';
        expect(response.status).toBe(isDone ? 200 : 502);
        if (isDone) expect(await response.text()).toBe('done');
        else expect(await response.json()).toMatchObject({ message: 'The sandbox closed the connection' });
      }
      expect(await sandbox.files.read('taken')).toBe(`first\n${how}\n`);
      await sandbox.files.remove('taken');
    },
  );

  test('paused in mid-command, its output stands still and goes on without a gap', async () => {
    let output = '';
    const script = 'i=0; while [ ! -e stop ]; do i=$((i+1)); echo $i; sleep 0.02; done';
    const command = await sandbox.commands.run(script, {
      background: true,
      timeoutMs: 0,
      onStdout: (data) => {
        output += data;
      },
    });
    await expect.poll(() => output, { timeout: 30_000 }).toContain('5\n');
    await sandbox.pause();
    // What was under way when it was paused may still come.
    let before = '';
    await expect
      .poll(
        () => {
          const stands = before === output;
          before = output;
          return stands;
        },
        { interval: 500, timeout: 30_000 },
      )
      .toBe(true);
    await sandbox.connect({ timeoutMs: 600_000 });
    await expect.poll(() => output.length, { timeout: 30_000 }).toBeGreaterThan(before.length + 10);
    await sandbox.files.write('stop', '');
    const { exitCode, stdout } = await command.wait();
    expect(exitCode).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toEqual(lines.map((_, index) => String(index + 1)));
  });

  test('paused in mid-command without its memory, the command is not said to have succeeded', async () => {
    const own = await fixture.create('base', { timeoutMs: 600_000 });
    let output = '';
    const command = await own.commands.run('echo begun; sleep 600', {
      background: true,
      timeoutMs: 0,
      onStdout: (data) => {
        output += data;
      },
    });
    await expect.poll(() => output, { timeout: 30_000 }).toBe('begun\n');
    const ended = command.wait().then(
      ({ exitCode }) => exitCode,
      (error: unknown) => (error instanceof CommandExitError ? error.exitCode : 'unknown'),
    );
    await own.pause({ keepMemory: false });
    expect(await ended).not.toBe(0);
    await own.kill();
  });

  test('a creation that takes long holds nobody else up, and leaves nothing when its caller leaves', async () => {
    const mark = `9876${process.pid}`;
    const slow = Template()
      .fromTemplate('base')
      .setStartCmd(`sleep 1; touch ready; exec sleep ${mark}`, 'test -z "$SLOW" -o "$SLOW" = "$(ls ready)"');
    await Template.build(slow, 'slow', fixture.connection);
    const create = (SLOW: string, signal?: AbortSignal) =>
      fetch(`${fixture.connection.apiUrl}/v2/sandboxes`, {
        method: 'POST',
        headers: { 'x-api-key': fixture.connection.apiKey },
        body: JSON.stringify({ templateID: 'slow', envVars: { SLOW }, metadata: { slow: 'yes' } }),
        ...(signal && { signal }),
      });
    const left = new AbortController();
    const never = create('never', left.signal);
    never.catch(() => {});
    await expect.poll(() => processesWith(`sleep ${mark}`).length, { timeout: 60_000 }).toBe(1);
    expect((await sandbox.commands.run('echo meanwhile')).stdout).toBe('meanwhile\n');
    expect((await create('ready')).status).toBe(201);
    const query = { metadata: { slow: 'yes' } };
    const listed = await fixture.sdk.Sandbox.list({ ...fixture.connection, query }).nextItems();
    expect(listed).toHaveLength(1);
    left.abort();
    await expect(never).rejects.toThrow();
    await expect.poll(() => processesWith(`sleep ${mark}`).length, { timeout: 60_000 }).toBe(1);
    for (const { sandboxId } of listed) await fixture.sdk.Sandbox.kill(sandboxId, fixture.connection);
    expect(processesWith(`sleep ${mark}`)).toEqual([]);
  });
});

/** What a caller is told of after the host was killed before the n-th write of a sandbox's life. */
const afterwards = {
  // Its processes run on, and what was begun is brought to its end.
  namespaces: [[], [], ['running'], ['paused'], ['paused'], ['running'], ['running'], []],
  // They end with the host: only what had but its files is still there.
  none: [[], [], [], ['paused'], ['paused'], ['paused'], [], []],
};

describe.each(['namespaces', 'none'] as const)(
  'a host that is killed between two writes (isolation: %s)',
  (isolation) => {
    const hosts = useHostProcesses();

    test('leaves the next one with what its caller was told, and nothing else', async ({ skip }) => {
      skip(isolation === 'namespaces' && isolationObstacle !== undefined, isolationObstacle);
      const { dataDir } = hosts;
      for (const [index, states] of afterwards[isolation].entries()) {
        const host = await hosts.start({ dataDir, isolation }, dieAt(index + 1, 'before'));
        await expect(live(host.connection, isolation === 'namespaces')).rejects.toThrow();
        await host.ended;
        const next = await createSandboxHost({ dataDir, isolation });
        const { apiUrl, sandboxUrl, apiKey } = next;
        const connection = { apiUrl, sandboxUrl, apiKey };
        const listed = await Sandbox.list(connection).nextItems();
        expect([index, listed.map(({ state }) => state)]).toEqual([index, states]);
        expect(readdirSync(join(dataDir, 'sandboxes'))).toEqual(listed.map(({ sandboxId }) => sandboxId));
        for (const { sandboxId } of listed) {
          const sandbox = await Sandbox.connect(sandboxId, connection);
          expect((await sandbox.commands.run('cat file')).stdout).toBe('kept');
        }
        await next.close();
        expect([...readdirSync(join(dataDir, 'sandboxes')), ...processesWith(dataDir)]).toEqual([]);
        if (isolation === 'namespaces') expect([...groupsOf(dataDir), ...disksOf(dataDir)]).toEqual([]);
      }
      const host = await hosts.start(
        { dataDir, isolation },
        dieAt(afterwards[isolation].length + 1, 'before'),
      );
      await live(host.connection, isolation === 'namespaces');
      expect(existsSync(join(dataDir, 'sandboxes'))).toBe(true);
    }, 600_000);
  },
);

/** A sandbox's life, with a pause that keeps its memory or not. */
async function live(connection: Parameters<typeof Sandbox.create>[1], keepMemory: boolean): Promise<void> {
  const sandbox = await Sandbox.create('base', { ...connection, timeoutMs: 600_000 });
  await sandbox.files.write('file', 'kept');
  await sandbox.pause({ keepMemory });
  await sandbox.connect({ timeoutMs: 600_000 });
  await sandbox.kill();
}
