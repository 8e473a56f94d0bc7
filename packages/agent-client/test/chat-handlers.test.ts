import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createChatHandlers } from '../src/integrations/ai-sdk/index.js';
import type { SandboxSession } from '../src/sessions/sandbox-session.js';
import { aiSdks, type ChatLike, type LoadedSdk } from './support/ai-sdk.js';
import {
  agentMetadata,
  bundleAgent,
  commandsAgent,
  startPlatform,
  type TestPlatform,
} from './support/platform.js';

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
  const content = await bundleAgent(commandsAgent);
  await platform.deploy('commands', { file: 'agent.mjs', content, metadata: agentMetadata('agent.mjs') });
}, 120_000);
afterAll(() => platform?.host.close());

interface Site {
  session: SandboxSession;
  /** Opens the page: a chat of its own, with these messages. */
  open(messages?: object[]): ChatLike;
  /** Leaves the page: its connections close. */
  leave(): void;
  ask(method: 'GET' | 'DELETE'): Promise<Response>;
}

/** A site whose server is ours, and whose pages come and go. */
async function site(sdk: LoadedSdk, counted: { n: number; ms: number }): Promise<Site> {
  const session = await platform.open().createSession('commands');
  const handlers = createChatHandlers({
    session: () => session,
    input: () => ({ prompt: 'count', ...counted }),
  });
  let page = new AbortController();
  onTestFinished(() => page.abort());
  const serve = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(url, { ...init, signal: page.signal });
    const response = await (init?.method === 'POST' ? handlers.POST(request) : handlers.GET(request));
    const { body, status, headers } = response;
    // What a server does: the body is cancelled when the connection closes.
    const { signal } = page;
    return new Response(body?.pipeThrough(new TransformStream(), { signal }) ?? null, { status, headers });
  };
  const api = 'http://app.test/api/chat';
  return {
    session,
    open: (messages = []) =>
      new sdk.Chat({
        id: 'chat 1',
        messages,
        transport: new sdk.ai.DefaultChatTransport({ api, fetch: serve }),
      }),
    leave() {
      page.abort();
      page = new AbortController();
    },
    ask: (method) => handlers[method](new Request(`${api}/chat%201/stream`, { method })),
  };
}

const counted = (chat: ChatLike): unknown[] =>
  (chat.messages.at(-1)?.parts ?? [])
    .filter(({ type }) => type === 'data-agent')
    .map((part) => Reflect.get(part, 'data'));

describe.each(aiSdks)('a page that is reloaded in mid-answer, with AI SDK $major', ({ missing, load }) => {
  const title = (name: string): string => (missing ? `${name} (${missing})` : name);

  test.skipIf(missing)(title('goes on with the answer, which ran once'), async () => {
    const { session, open, leave, ask } = await site(await load(), { n: 60, ms: 40 });
    expect((await ask('GET')).status).toBe(204);
    const before = open();
    const sending = before.sendMessage({ text: 'Count.' });
    await expect.poll(() => counted(before).length, { timeout: 20_000 }).toBeGreaterThan(3);
    leave();
    await sending;
    const after = open(before.messages.slice(0, 1));
    await after.resumeStream();
    expect([after.status, after.error]).toEqual(['ready', undefined]);
    expect(counted(after)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect((await session.invoke('runs')).result).toBe(1);
    expect((await ask('GET')).status).toBe(204);
  });

  test.skipIf(missing)(title('can be stopped for good'), async () => {
    const { session, open, leave, ask } = await site(await load(), { n: 100_000, ms: 20 });
    const chat = open();
    const sending = chat.sendMessage({ text: 'Count.' });
    await expect.poll(() => counted(chat).length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(await session.getStatus()).toBe('active');
    leave();
    await sending;
    expect((await session.ping()).status).toBe('HealthyBusy');
    expect((await ask('DELETE')).status).toBe(204);
    await expect.poll(async () => (await session.ping()).status, { timeout: 20_000 }).toBe('Healthy');
    expect((await ask('GET')).status).toBe(204);
    expect((await ask('DELETE')).status).toBe(204);
  });
});

describe('an invocation', () => {
  test('that another process began is joined, looked at and ended by its id', async () => {
    const session = await platform.open().createSession('commands');
    const elsewhere = await platform.open().getSession(session.sandboxId);
    const stream = session.stream({ prompt: 'count', n: 40, ms: 20 });
    const { invocationId } = stream;
    const joined = elsewhere.attach(invocationId).collect();
    const all = Array.from({ length: 40 }, (_, i) => i + 1);
    expect(await stream.collect()).toEqual(all);
    expect(await joined).toEqual(all);
    expect(await elsewhere.getInvocationState(invocationId)).toBe('succeeded');
    expect(await elsewhere.attach(invocationId).collect()).toEqual(all);
    expect((await session.invoke('runs')).result).toBe(1);
    const endless = session.stream({ prompt: 'count', n: 100_000, ms: 20 });
    const failing = expect(endless.collect()).rejects.toMatchObject({ invocationId: endless.invocationId });
    await expect
      .poll(() => elsewhere.getInvocationState(endless.invocationId), { timeout: 20_000 })
      .toBe('running');
    await elsewhere.cancelInvocation(endless.invocationId);
    await failing;
    expect(await elsewhere.getInvocationState(endless.invocationId)).toBe('cancelled');
  });

  test('that never was is not there, and nothing is run for it', async () => {
    const session = await platform.open().createSession('commands');
    expect(await session.getInvocationState('nothing')).toBeUndefined();
    await expect(session.attach('nothing').collect()).rejects.toMatchObject({
      name: 'InvocationError',
      errorType: 'not_found',
    });
    await session.cancelInvocation('nothing');
    expect((await session.invoke('runs')).result).toBe(0);
  });
});
