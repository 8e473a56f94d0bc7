import { Sandbox, Volume } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { controlPlaneBefore } from '../../test/support/control-plane.js';
import { faultyProxy } from '../../test/support/faulty-proxy.js';
import {
  agentMetadata,
  bundleAgent,
  commandsAgent,
  startPlatform,
  type TestPlatform,
} from '../../test/support/platform.js';
import { AgentClientError } from '../errors/agent-client-error.js';
import type { SandboxConfig } from './sandbox-config.js';
import type { SandboxSession } from './sandbox-session.js';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
  const content = await bundleAgent(commandsAgent);
  const metadata = agentMetadata('agent.mjs');
  await platform.deploy('commands', { file: 'agent.mjs', content, metadata });
  await platform.deploy('self-starting', { file: 'agent.mjs', content, startCmd: 'node agent.mjs' });
  const note = "import { appendFileSync } from 'node:fs'; appendFileSync('starts', 'x');";
  await platform.deploy('started-already', {
    file: 'agent.mjs',
    content: note + content,
    startCmd: 'node agent.mjs',
    metadata,
  });
  const later = 'await new Promise((resolve) => setTimeout(resolve, 3_000));';
  await platform.deploy('slow', { file: 'agent.mjs', content: later + content, metadata });
  await platform.deploy('as-text', {
    file: 'agent.mjs',
    content,
    metadata: { agent_runtime: JSON.stringify(metadata.agent) },
  });
  const notes =
    "import { writeFileSync } from 'node:fs'; process.on('SIGTERM', () => writeFileSync('/kept/note', 'x', { flag: 'a' }));";
  await platform.deploy('noting', { file: 'agent.mjs', content: notes + content, metadata });
  await platform.deploy('broken', {
    file: 'agent.mjs',
    content: "console.log('looking for data'); console.error('no data'); process.exit(4);",
    metadata,
  });
  await platform.deploy('deaf', {
    file: 'agent.mjs',
    content: "console.log('deaf'); setInterval(() => {}, 1000);",
    metadata,
  });
}, 120_000);
afterAll(() => platform?.host.close());

async function sandboxCount(): Promise<number> {
  return (await platform.open().listSessions()).length;
}

describe('creating a session', () => {
  test('starts the agent of a template that says so in text', async () => {
    const session = await platform.open().createSession('as-text');
    expect((await session.invoke('x')).result).toEqual({ prompt: 'x' });
  });

  test('does not start an agent that its template has started', async () => {
    const session = await platform.open().createSession('started-already');
    expect((await session.invoke('x')).result).toEqual({ prompt: 'x' });
    const { apiKey, apiUrl, sandboxUrl } = platform.host;
    const sandbox = await Sandbox.connect(session.sandboxId, { apiKey, apiUrl, sandboxUrl });
    expect(await sandbox.commands.list()).toHaveLength(1);
    expect(await sandbox.files.read('starts')).toBe('x');
  });

  test('that cannot reach the sandbox says so in its own error, and leaves nothing', async () => {
    const client = platform.open({ sandboxUrl: 'http://127.0.0.1:9' });
    const error = await client.createSession('commands').catch((reason: unknown) => reason);
    expect(AgentClientError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ message: expect.stringContaining('start the agent') });
    expect(await sandboxCount()).toBe(0);
  });

  test('gives the sandbox its environment, and the caller’s own metadata back', async () => {
    const session = await platform.open().createSession('commands', {
      config: { envVars: { A: 'config', B: 'config' } },
      envVars: { B: 'option' },
      metadata: { user: 'u1' },
    });
    const read = async (name: string): Promise<unknown> =>
      (await session.invoke({ prompt: 'environment', name })).result;
    expect(await read('A')).toBe('config');
    expect(await read('B')).toBe('option');
    expect(session.metadata).toEqual({ user: 'u1' });
  });

  test('never gives the account’s key to the agent', async () => {
    const session = await platform.open().createSession('commands');
    for (const name of ['E2B_API_KEY', 'PPIO_API_KEY']) {
      expect((await session.invoke({ prompt: 'environment', name })).result).toBeNull();
    }
  });

  test('that fails because the agent ends says what it wrote last, and leaves nothing', async () => {
    const client = platform.open();
    await expect(client.createSession('broken')).rejects.toMatchObject({
      name: 'SandboxCreationError',
      code: 'sandbox_creation_failed',
      message: expect.stringMatching(/exited with code 4.*no data/s),
      log: expect.arrayContaining(['looking for data', 'no data']),
    });
    expect(await sandboxCount()).toBe(0);
  });

  test('that fails because the agent does not answer says what the last ping came to, and leaves nothing', async () => {
    const client = platform.open();
    await expect(client.createSession('deaf', { readyTimeoutMs: 5_000 })).rejects.toMatchObject({
      name: 'SandboxCreationError',
      message: expect.stringContaining('readyTimeoutMs'),
      lastPing: expect.stringContaining('port is not open'),
      log: ['deaf'],
    });
    expect(await sandboxCount()).toBe(0);
  });

  test.each([0, 5, 30, 80, 200])('that is aborted after %i ms leaves nothing', async (ms) => {
    const client = platform.open();
    const abort = new AbortController();
    const creating = client.createSession('deaf', { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), ms);
    await expect(creating).rejects.toThrow('enough');
    await client.close();
    expect(await sandboxCount()).toBe(0);
  });

  test.each([0, 100])('whose answer is cut after %i bytes leaves nothing', async (afterBytes) => {
    const { port } = new URL(platform.host.apiUrl);
    let connections = 0;
    // The template's look-up and the creation; what is looked for after them is found.
    const proxy = await faultyProxy(Number(port), () => {
      connections += 1;
      return connections <= 2 ? { kind: 'cut', afterBytes, reset: true } : { kind: 'none' };
    });
    const before = await sandboxCount();
    const client = platform.open({ apiUrl: proxy.origin });
    await expect(client.createSession('commands')).rejects.toMatchObject({ name: 'NetworkError' });
    await client.reap();
    expect(await sandboxCount()).toBe(before);
    expect(connections).toBeGreaterThan(2);
  });

  test('limits the sandbox to what is asked for, whatever its template says', async (context) => {
    const { level, reason } = platform.host.capabilities.limits;
    context.skip(level !== 'enforced', reason);
    const config = { memoryLimit: '256Mi', cpuLimit: '500m' };
    const session = await platform.open().createSession('commands', { config });
    const { apiKey, apiUrl, sandboxUrl } = platform.host;
    const sandbox = await Sandbox.connect(session.sandboxId, { apiKey, apiUrl, sandboxUrl });
    expect(await sandbox.getInfo()).toMatchObject({ memoryMB: 256, cpuCount: 1 });
    const hog = (bytes: number): Promise<{ stdout: string }> =>
      sandbox.commands.run(`node -e "Buffer.alloc(${bytes}, 1); console.log('fits')"`);
    expect((await hog(64e6)).stdout).toBe('fits\n');
    // Its template has 512 MB.
    await expect(hog(350e6)).rejects.toThrow();
    expect((await session.invoke('x')).result).toEqual({ prompt: 'x' });
    const busy = await sandbox.commands.run(
      'node -e "const end = Date.now() + 2000; while (Date.now() < end); console.log(process.cpuUsage().user)"',
    );
    // Half a processor, in microseconds, with room for the other half of a period.
    expect(Number(busy.stdout)).toBeLessThan(1_500_000);
  });

  test('says so where the platform does not take limits, and leaves nothing', async () => {
    // It hands on no header but the key, and leaves out our host's own fields, as E2B does.
    const plane = await controlPlaneBefore(platform.host.apiUrl, async (_, ask) => {
      const said = await ask();
      return { ...said, body: said.body && { ...Object(said.body), limits: undefined } };
    });
    const client = platform.open({ apiUrl: plane });
    const before = await sandboxCount();
    const creating = client.createSession('commands', { config: { memoryLimit: '256Mi' } });
    await expect(creating).rejects.toMatchObject({
      name: 'SandboxCreationError',
      message: expect.stringContaining('512 MiB'),
    });
    expect(await sandboxCount()).toBe(before);
    // What the template has is no other limit.
    await client.createSession('commands', { config: { memoryLimit: '512Mi', cpuLimit: '2' } });
  });

  test('refuses a limit that the platform cannot give, and leaves nothing', async () => {
    const client = platform.open();
    await expect(
      client.createSession('commands', { config: { memoryLimit: '900Gi' } }),
    ).rejects.toMatchObject({
      name: 'SandboxCreationError',
      message: expect.stringMatching(/MiB|limit/),
    });
    await expect(client.createSession('commands', { config: { memoryLimit: 'much' } })).rejects.toMatchObject(
      {
        name: 'ValidationError',
      },
    );
    expect(await sandboxCount()).toBe(0);
  });

  test.each(['here', 'elsewhere'])('refuses other limits than a session made %s has', async (where) => {
    const runtimeSessionId = crypto.randomUUID();
    const first = platform.open();
    const made = await first.createSession('commands', { runtimeSessionId });
    const client = where === 'here' ? first : platform.open();
    const join = (config: SandboxConfig): Promise<SandboxSession> =>
      client.createSession('commands', { runtimeSessionId, config });
    for (const config of [{ memoryLimit: '256Mi' }, { memoryLimit: '512Mi', cpuLimit: '1' }]) {
      await expect(join(config)).rejects.toMatchObject({
        name: 'SandboxCreationError',
        sandboxId: made.sandboxId,
        message: expect.stringContaining('has 512 MiB and 2 CPU, not the'),
      });
    }
    await expect(join({ memoryLimit: 'much' })).rejects.toMatchObject({ name: 'ValidationError' });
    // Its own limits are no other ones, and a refusal leaves the session as it was.
    const joined = await join({ memoryLimit: '512Mi', cpuLimit: '2' });
    expect(joined.sandboxId).toBe(made.sandboxId);
    expect((await made.invoke('x')).result).toEqual({ prompt: 'x' });
    await made.close();
  });

  test('under an idempotency key gives the same sandbox', async () => {
    const client = platform.open();
    const options = { idempotencyKey: crypto.randomUUID() };
    const first = await client.createSession('commands', options);
    expect((await client.createSession('commands', options)).sandboxId).toBe(first.sandboxId);
    const other = await client.createSession('commands', { idempotencyKey: crypto.randomUUID() });
    expect(other.sandboxId).not.toBe(first.sandboxId);
  });
});

describe('a session under the caller’s own id', () => {
  test('is found by another process after the one that made it is gone', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const before = platform.client();
    const made = await before.createSession('commands', { runtimeSessionId });
    await made.invoke('one');
    await before.close();
    const found = await platform.open().getSession({ runtimeSessionId });
    expect(found.sandboxId).toBe(made.sandboxId);
    expect(found.runtimeSessionId).toBe(runtimeSessionId);
    expect((await found.invoke('runs'))?.result).toBe(1);
  });

  test('is one, however many processes and callers make it at once', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const clients = [platform.open(), platform.open(), platform.open()];
    const sessions = await Promise.all(
      [...clients, ...clients].map((client) => client.createSession('commands', { runtimeSessionId })),
    );
    expect(new Set(sessions.map(({ sandboxId }) => sandboxId)).size).toBe(1);
    expect(await sandboxCount()).toBe(1);
    await Promise.all(sessions.map((session) => session.invoke('one')));
    expect((await sessions[0]?.invoke('runs'))?.result).toBe(6);
  });

  test('is given to all who make it at once when its agent answers', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const clients = [
      platform.open({ config: { maxRetries: 0 } }),
      platform.open({ config: { maxRetries: 0 } }),
    ];
    const answers = await Promise.all(
      clients.map(async (client) => {
        const session = await client.createSession('slow', { runtimeSessionId });
        return (await session.invoke('x')).result;
      }),
    );
    expect(answers).toEqual([{ prompt: 'x' }, { prompt: 'x' }]);
  });

  test('is one, though the platform is slow to list to each caller what it made', async () => {
    const runtimeSessionId = crypto.randomUUID();
    let bothMade: () => void = () => {};
    const both = new Promise<void>((resolve) => {
      bothMade = resolve;
    });
    let made = 0;
    const lagging = (): Promise<string> => {
      const own = new Set<unknown>();
      let hidden = 4;
      return controlPlaneBefore(platform.host.apiUrl, async ({ method, path }, ask) => {
        const said = await ask();
        if (method === 'POST' && path.endsWith('/sandboxes')) {
          own.add(Reflect.get(Object(said.body), 'sandboxID'));
          made += 1;
          if (made === 2) bothMade();
          await both;
        }
        if (method !== 'GET' || !Array.isArray(said.body)) return said;
        if (own.size === 0) return { ...said, body: [] };
        if (hidden <= 0) return said;
        hidden -= 1;
        return { ...said, body: said.body.filter((row) => !own.has(row.sandboxID)) };
      });
    };
    const clients = [platform.open({ apiUrl: await lagging() }), platform.open({ apiUrl: await lagging() })];
    const sessions = await Promise.all(
      clients.map((client) => client.createSession('commands', { runtimeSessionId })),
    );
    expect(new Set(sessions.map(({ sandboxId }) => sandboxId)).size).toBe(1);
    await Promise.all(sessions.map((session) => session.invoke('one')));
    expect((await sessions[0]?.invoke('runs'))?.result).toBe(2);
    expect(await sandboxCount()).toBe(1);
  });

  test('whose agent does not answer is reported, and left to its maker', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const made = await platform.open().createSession('commands', { runtimeSessionId });
    await made.invoke('exit').catch(() => undefined);
    await expect(
      platform.open().createSession('commands', { runtimeSessionId, readyTimeoutMs: 1_000 }),
    ).rejects.toMatchObject({ name: 'SandboxCreationError', message: expect.stringContaining('Close it') });
    expect(await made.getStatus()).toBe('inactive');
  });

  test('goes on from call to call in AgentCore’s terms', async () => {
    const client = platform.open();
    const { templateId } = await client.getTemplate('commands');
    const first = await client.invokeAgentRuntime({ agentId: `my-agent-${templateId}`, payload: 'one' });
    const { runtimeSessionId } = first;
    const arn = `arn:aws:bedrock-agentcore:eu:1:runtime/my-agent-${templateId}`;
    const second = await platform
      .open()
      .invokeAgentRuntime({ agentId: arn, payload: 'runs', runtimeSessionId });
    expect(second).toMatchObject({ result: 1, runtimeSessionId });
    await expect(client.invokeAgentRuntime({ agentId: 'no-such', payload: 'x' })).rejects.toMatchObject({
      name: 'TemplateNotFoundError',
    });
  });
});

describe('how long a sandbox lives', () => {
  const halfAnHour = 1_800_000;

  /** What the platform says is left of a sandbox's life, in milliseconds. */
  async function left(sandboxId: string): Promise<number> {
    const { apiKey, apiUrl } = platform.host;
    const response = await fetch(`${apiUrl}/sandboxes/${sandboxId}`, { headers: { 'x-api-key': apiKey } });
    const endAt: unknown = Reflect.get(Object(await response.json()), 'endAt');
    return new Date(String(endAt)).getTime() - Date.now();
  }

  test('is not cut by another process that finds it, refreshes it, resumes it and calls it', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const made = await platform.open().createSession('commands', {
      runtimeSessionId,
      lifetimeMs: halfAnHour,
    });
    const { sandboxId } = made;
    const found = await platform.open().getSession(sandboxId, { keepAlive: true });
    await found.refresh();
    expect(await left(sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
    await found.invoke('x');
    expect(await left(sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
    await found.pause();
    await found.resume();
    expect(await left(sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
    await made.pause();
    await (await platform.open().getSession({ runtimeSessionId })).invoke('x');
    expect(await left(sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
    await made.pause();
    const client = platform.open();
    await client.invokeAgentRuntime({ agentId: 'commands', payload: 'x', runtimeSessionId });
    expect(await left(sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
  });

  test('is never shortened by a refresh', async () => {
    const session = await platform.open().createSession('commands', { lifetimeMs: halfAnHour });
    await session.refresh({ lifetimeMs: 60_000 });
    expect(await left(session.sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
    const brief = await platform.open().getSession(session.sandboxId, { lifetimeMs: 60_000 });
    await brief.refresh();
    expect(await left(session.sandboxId)).toBeGreaterThan(halfAnHour - 300_000);
  });

  test('is what a caller asks for who creates a conversation that exists', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const client = platform.open();
    const made = await client.createSession('commands', { runtimeSessionId });
    expect(made.isNew).toBe(true);
    for (const other of [client, platform.open()]) {
      const lifetimeMs = other === client ? halfAnHour : 2 * halfAnHour;
      const found = await other.createSession('commands', { runtimeSessionId, lifetimeMs });
      expect(found.sandboxId).toBe(made.sandboxId);
      expect(found.isNew).toBe(false);
      expect(await left(made.sandboxId)).toBeGreaterThan(lifetimeMs - 300_000);
    }
    expect((await client.getSession(made.sandboxId)).isNew).toBe(false);
  });
});

describe('a conversation that exists', () => {
  test('is new to one only of those who create it at once', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const clients = [platform.open(), platform.open()];
    const sessions = await Promise.all(
      [...clients, ...clients].map((client) => client.createSession('commands', { runtimeSessionId })),
    );
    expect(sessions.filter(({ isNew }) => isNew)).toHaveLength(1);
  });

  test('is not given to a caller who asks for another template', async () => {
    const runtimeSessionId = crypto.randomUUID();
    const client = platform.open();
    const made = await client.createSession('commands', { runtimeSessionId });
    const refused = {
      name: 'SandboxCreationError',
      message: expect.stringMatching(/runs template commands .*not self-starting.*runtimeSessionId/),
    };
    for (const other of [client, platform.open()]) {
      await expect(other.createSession('self-starting', { runtimeSessionId })).rejects.toMatchObject(refused);
      await expect(
        other.invokeAgentRuntime({ agentId: 'self-starting', payload: 'x', runtimeSessionId }),
      ).rejects.toMatchObject(refused);
    }
    // The same template by its other name.
    const { templateId } = await client.getTemplate('commands');
    const again = await platform.open().createSession(templateId, { runtimeSessionId });
    expect(again.sandboxId).toBe(made.sandboxId);
    await expect(again.invoke('x')).resolves.toMatchObject({ result: { prompt: 'x' } });
  });

  test('is found with the options of each who asks, also when the client holds it already', async () => {
    const client = platform.open();
    const made = await client.createSession('commands');
    const patient = await client.getSession(made.sandboxId, { autoResume: false });
    await made.pause();
    await expect(patient.invoke('x')).rejects.toThrow('autoResume');
    expect(patient.isPaused).toBe(true);
    expect((await made.invoke('x')).result).toEqual({ prompt: 'x' });
    expect((await patient.invoke('x'))?.result).toEqual({ prompt: 'x' });
    await patient.close();
    expect(await made.getStatus()).toBe('closed');
    expect(await client.closeAllSessions()).toEqual([]);
  });
});

test.each(['commands', 'started-already'])(
  'a sandbox of template %s that is paused without its memory has its agent started again by the next call',
  async (template) => {
    const session = await platform.open().createSession(template);
    await session.invoke('one');
    expect(await session.pause({ keepMemory: false })).toBe(true);
    expect(await session.pause({ keepMemory: false })).toBe(false);
    expect(await session.getStatus()).toBe('paused');
    expect((await session.invoke('runs')).result).toBe(0);
    expect(session.isActive).toBe(true);
  },
  30_000,
);

describe('what happens elsewhere is seen', () => {
  test('a pause, which a call undoes once for however many callers', async () => {
    const session = await platform.open().createSession('commands');
    const elsewhere = await platform.open().getSession(session.sandboxId);
    await elsewhere.pause();
    expect(session.isPaused).toBe(false);
    const answers = await Promise.all(Array.from({ length: 8 }, () => session.invoke('x')));
    expect(answers.map(({ result }) => result)).toEqual(Array(8).fill({ prompt: 'x' }));
    expect((await session.invoke('runs')).result).toBe(8);
  });

  test('a pause, which a call leaves alone when it is to', async () => {
    const session = await platform.open().createSession('commands', { autoResume: false });
    await (await platform.open().getSession(session.sandboxId)).pause();
    await expect(session.invoke('x')).rejects.toMatchObject({
      name: 'SandboxOperationError',
      message: expect.stringContaining('autoResume'),
    });
    await expect(session.ping()).rejects.toThrow('is paused');
    expect(await session.getStatus()).toBe('paused');
  });

  test('a kill', async () => {
    const session = await platform.open().createSession('commands');
    await platform.open().closeSession(session.sandboxId);
    await expect(session.invoke('x')).rejects.toMatchObject({ name: 'SessionNotFoundError' });
    expect(await session.getStatus()).toBe('closed');
    await expect(session.pause()).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(session.refresh()).rejects.toMatchObject({ code: 'session_not_found' });
    expect(await session.close()).toBe(false);
  });

  test('an agent that ends in mid-call, whose outcome is unknown', async () => {
    const session = await platform
      .open({ config: { maxRetries: 1, retryDelayMs: 10 } })
      .createSession('commands');
    await expect(session.invoke('exit')).rejects.toMatchObject({
      name: 'InvocationError',
      outcome: 'unknown',
    });
    expect(await session.getStatus()).toBe('inactive');
  });
});

describe('a sandbox’s time', () => {
  /** Longer than a busy machine takes to start an agent, and short enough to wait for. */
  const lifeMs = 6_000;

  test('is not extended by calls alone', async () => {
    const session = await platform.open().createSession('commands', { lifetimeMs: lifeMs });
    await expect(session.invoke({ prompt: 'sleep', ms: 60_000 })).rejects.toMatchObject({
      sandboxId: session.sandboxId,
    });
    await expect.poll(() => session.getStatus(), { timeout: 30_000 }).toBe('closed');
  });

  test('is extended while calls are in flight, where that is asked for', async () => {
    const session = await platform.open().createSession('commands', { lifetimeMs: lifeMs, keepAlive: true });
    expect((await session.invoke({ prompt: 'sleep', ms: lifeMs + 2_000 })).result).toBe('slept');
  });

  test('is extended by a refresh', async () => {
    const session = await platform.open().createSession('commands', { lifetimeMs: lifeMs });
    await session.refresh({ lifetimeMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, lifeMs + 1_000));
    expect(await session.getStatus()).toBe('active');
  });
});

test('a sandbox whose ports are not public is called with the token that the platform gives', async () => {
  const { apiKey, apiUrl, sandboxUrl } = platform.host;
  const sandbox = await Sandbox.create('self-starting', {
    ...{ apiKey, apiUrl, sandboxUrl },
    network: { allowPublicTraffic: false },
  });
  const session = await platform.open().getSession(sandbox.sandboxId);
  expect((await session.invoke('x'))?.result).toEqual({ prompt: 'x' });
  const bare = await fetch(`${sandboxUrl}/ping`, {
    headers: { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' },
  });
  expect(bare.status).toBe(403);
});

describe('closing', () => {
  test('all sessions reports on each', async () => {
    const client = platform.open();
    const sessions = await Promise.all([1, 2].map(() => client.createSession('commands')));
    const report = await client.closeAllSessions();
    expect(report).toHaveLength(2);
    expect(report).toEqual(
      expect.arrayContaining(sessions.map(({ sandboxId }) => ({ sandboxId, closed: true }))),
    );
    expect(await client.closeAllSessions()).toEqual([]);
  });

  test('a client closes what it made and nobody can find again', async () => {
    const runtimeSessionId = crypto.randomUUID();
    let mortal = '';
    {
      await using client = platform.client();
      mortal = (await client.createSession('commands')).sandboxId;
      await client.createSession('commands', { runtimeSessionId });
    }
    const others = platform.open();
    await expect(others.getSession(mortal)).rejects.toThrow(`There is no sandbox ${mortal}.`);
    expect((await others.getSession({ runtimeSessionId })).runtimeSessionId).toBe(runtimeSessionId);
    await expect(others.getSession({ runtimeSessionId: 'nobody’s' })).rejects.toMatchObject({
      name: 'SessionNotFoundError',
      message: 'There is no session of `runtimeSessionId` nobody’s.',
    });
  });

  test('a client ends what it is making, and leaves nothing of it', async () => {
    const client = platform.client();
    const before = await sandboxCount();
    const making = expect(client.createSession('deaf')).rejects.toThrow('The client is closed.');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await client.close();
    await making;
    expect(await sandboxCount()).toBe(before);
  });

  test('reaps what any process left behind, by its age, and nothing that is in use', async () => {
    const lost = platform.client();
    const { sandboxId } = await lost.createSession('commands');
    const client = platform.open();
    const mine = await client.createSession('commands');
    expect(await client.reap()).toEqual([]);
    expect(await client.reap({ olderThanMs: 0 })).toContainEqual({ sandboxId, killed: true });
    expect(await mine.getStatus()).toBe('active');
    await lost.close();
  });
});

test('closing a session lets an agent end that the client has started', async ({ skip }) => {
  const { capabilities, apiKey, apiUrl } = platform.host;
  if (capabilities.isolation.level !== 'enforced') skip('Volumes need namespaces here.');
  const volume = await Volume.create('kept', { apiKey, apiUrl });
  const config = { volumes: [{ name: 'kept', path: '/kept' }] };
  const session = await platform.open().createSession('noting', { config });
  expect(await session.close()).toBe(true);
  expect(await volume.readFile('/note', { apiUrl })).toBe('x');
});
