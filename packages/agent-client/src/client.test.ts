import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  agentMetadata,
  bundleAgent,
  commandsAgent,
  startPlatform,
  type TestPlatform,
} from '../test/support/platform.js';
import type { BatchProgress, BatchResult } from './batch/batch.js';
import type { AgentRuntimeClient } from './client.js';
import type { AgentRuntimeClientOptions } from './client-config.js';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
  const content = await bundleAgent(commandsAgent);
  await platform.deploy('commands', { file: 'agent.mjs', content, metadata: agentMetadata('agent.mjs') });
  await platform.deploy('self-starting', { file: 'agent.mjs', content, startCmd: 'node agent.mjs' });
}, 120_000);
afterAll(() => platform?.host.close());

/** A client that is closed with its test. */
function open(options: AgentRuntimeClientOptions = {}): AgentRuntimeClient {
  const client = platform.client(options);
  onTestFinished(() => client.close());
  return client;
}

describe('a session', () => {
  test.each(['commands', 'self-starting'])(
    'has an agent that answers, from template %s',
    async (template) => {
      const session = await open().createSession(template);
      expect((await session.invoke({ prompt: 'hello', a: 1 })).result).toEqual({ prompt: 'hello', a: 1 });
      expect(await session.stream({ prompt: 'count', n: 3 }).collect()).toEqual([1, 2, 3]);
      expect(session.templateId).toBe(template);
      expect(session.isActive).toBe(true);
      expect(session.sessionId).toBe(session.sandboxId);
      expect(session.hostUrl).toBe(platform.host.sandboxUrl);
      expect(session.ageSeconds).toBeGreaterThan(0);
      expect(session.idleSeconds).toBeLessThan(10);
      expect(await session.ping()).toMatchObject({ status: 'Healthy' });
      expect(await session.getStatus()).toBe('active');
    },
  );

  test('keeps what the agent has in memory through a pause', async () => {
    const session = await open().createSession('commands');
    await session.invoke('a');
    expect(await session.pause()).toBe(true);
    expect(await session.pause()).toBe(false);
    expect(session.isPaused).toBe(true);
    expect(await session.getStatus()).toBe('paused');
    expect(await session.resume()).toBe(true);
    expect(await session.resume()).toBe(false);
    expect((await session.invoke('runs')).result).toBe(1);
  });

  test('closes once, and is not found after', async () => {
    const client = open();
    const session = await client.createSession('commands');
    expect(await session.close()).toBe(true);
    expect(await session.close()).toBe(false);
    expect(await session.getStatus()).toBe('closed');
    await expect(session.invoke('x')).rejects.toMatchObject({ name: 'SessionNotFoundError' });
    await expect(client.getSession(session.sandboxId)).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(client.closeSession(session.sandboxId)).rejects.toMatchObject({ code: 'session_not_found' });
  });
});

describe('a client', () => {
  test('reports what it does to a pino logger as it is', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const client = open({ logger });
    const session = await client.createSession('commands');
    await session.pause();
    await session.invoke('x');
    await session.close();
    const { sandboxId } = session;
    expect(lines.map(({ msg }) => msg)).toEqual([
      'sandbox created',
      'sandbox paused',
      'sandbox resumed',
      'call ended',
      'sandbox closed',
    ]);
    for (const line of lines) expect(line).toMatchObject({ sandboxId });
    expect(lines[3]).toMatchObject({ attempts: 1, abandoned: false, durationMs: expect.any(Number) });
  });

  test('that is closed says so to its callers, and closes again', async () => {
    const client = open();
    const session = await client.createSession('commands', { runtimeSessionId: crypto.randomUUID() });
    await client.close();
    await client.close();
    await expect(session.invoke('x')).rejects.toMatchObject({
      name: 'AgentClientError',
      message: expect.stringContaining('closed'),
    });
    await open().closeSession(session.sandboxId);
  });

  test('calls an agent in a sandbox of its own, which is gone after', async () => {
    const client = open();
    expect(await client.invokeAgent('commands', 'hi')).toMatchObject({ result: { prompt: 'hi' } });
    expect(await client.invokeAgentStream('commands', { prompt: 'count', n: 2 }).collect()).toEqual([1, 2]);
    await expect(client.invokeAgent('commands', 'fail')).rejects.toMatchObject({ errorType: 'TypeError' });
    expect(await client.listSessions()).toEqual([]);
  });

  test('works through a batch in few sandboxes, and gives each result as it comes', async () => {
    const client = open();
    const requests = Array.from({ length: 12 }, (_, i) =>
      i === 5 ? 'fail' : { prompt: 'sleep', ms: i === 0 ? 2_000 : 1 },
    );
    const progress: BatchProgress[] = [];
    const results: BatchResult[] = [];
    let mostSandboxes = 0;
    for await (const result of client.batch('commands', requests, {
      concurrency: 4,
      sessions: 2,
      onProgress: (now) => progress.push(now),
    })) {
      results.push(result);
      mostSandboxes = Math.max(mostSandboxes, (await client.listSessions()).length);
    }
    expect(results.map(({ index }) => index).sort((a, b) => a - b)).toEqual([...requests.keys()]);
    expect(results[0]?.index).not.toBe(0);
    expect(results.find(({ index }) => index === 5)?.error).toMatchObject({ errorType: 'TypeError' });
    expect(results.filter(({ response }) => response?.result === 'slept')).toHaveLength(11);
    expect(progress.at(-1)).toEqual({ succeeded: 11, failed: 1 });
    expect(mostSandboxes).toBe(2);
    expect(await client.listSessions()).toEqual([]);
  });

  test('ends a batch that nobody reads on', async () => {
    const client = open();
    const requests = Array.from({ length: 100 }, () => ({ prompt: 'sleep', ms: 100 }));
    for await (const { response } of client.batch('commands', requests, { concurrency: 2 })) {
      expect(response?.result).toBe('slept');
      break;
    }
    expect(await client.listSessions()).toEqual([]);
    await expect(
      client.batch('commands', [], { concurrency: 0 })[Symbol.asyncIterator]().next(),
    ).rejects.toThrow('concurrency must be 1 or more');
    for await (const { error } of client.batch('nothing', ['x'])) {
      expect(error).toMatchObject({ name: 'TemplateNotFoundError' });
    }
  });

  test('gives a batch’s results while its next request is not known yet', async () => {
    const client = open();
    const seen: number[] = [];
    async function* requests(): AsyncGenerator<string> {
      yield 'one';
      await expect.poll(() => seen, { timeout: 15_000 }).toEqual([0]);
      yield 'two';
    }
    for await (const { index } of client.batch('commands', requests())) seen.push(index);
    expect(seen).toEqual([0, 1]);
  });

  test('tells of templates and their agents', async () => {
    const client = open();
    expect(await client.getTemplate('commands')).toMatchObject({
      name: 'commands',
      version: '1.0.0',
      author: 'a@example.com',
      description: 'An agent for tests.',
      status: 'ready',
      agent: { spec: { entrypoint: 'agent.mjs' } },
    });
    const [listed] = await client.listTemplates({ nameFilter: 'commands' });
    expect(listed).toEqual(await client.getTemplate('commands'));
    expect(listed).toMatchObject({ sizeBytes: expect.any(Number), buildTimeSeconds: expect.any(Number) });
    const names = (await client.listTemplates({ nameFilter: 'STARTING' })).map(({ name }) => name);
    expect(names).toEqual(['self-starting']);
    await expect(client.getTemplate('nothing')).rejects.toMatchObject({ name: 'TemplateNotFoundError' });
    expect(await client.templates.templateExists('nothing')).toBe(false);
  });

  test('says which template there is not', async () => {
    await expect(open().createSession('nothing')).rejects.toMatchObject({ name: 'TemplateNotFoundError' });
  });

  test('says that its key is refused, and does not repeat it', async () => {
    const client = open({ apiKey: 'e2b_wrong' });
    const error = await client.createSession('commands').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'AuthenticationError', status: 401 });
    expect(String(error)).not.toContain('e2b_wrong');
  });
});
