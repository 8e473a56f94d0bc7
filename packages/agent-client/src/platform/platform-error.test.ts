import { createServer } from 'node:http';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { json, listen } from '../../test/support/agent-server.js';
import { AgentRuntimeClient } from '../client.js';
import { AgentClientError } from '../errors/agent-client-error.js';

const apiKey = 'e2b_secret_key';

/** A client of a control plane that answers every creation so, and has no sandbox and no template. */
async function refused(status: number, message: string): Promise<AgentRuntimeClient> {
  const server = createServer((request, response) => {
    if (request.method === 'POST') return json(response, status, { code: status, message });
    if (request.url?.startsWith('/v2/sandboxes')) return json(response, 200, []);
    json(response, 404, { code: 404, message: 'no' });
  });
  return new AgentRuntimeClient({ apiKey, apiUrl: await listen(server) });
}

describe('what the control plane answers becomes', () => {
  test.each([
    [401, 'unknown key', 'AuthenticationError', false],
    [403, 'team is blocked', 'AuthenticationError', false],
    [403, 'quota of running sandboxes exceeded', 'QuotaExceededError', false],
    [402, 'no credit', 'QuotaExceededError', false],
    [404, 'template x was not found', 'TemplateNotFoundError', false],
    [429, 'too many requests', 'RateLimitError', true],
    [429, 'you have reached the maximum number of concurrent sandboxes (20)', 'QuotaExceededError', false],
    [400, 'timeout is too long', 'SandboxCreationError', false],
    [500, 'internal', 'SandboxCreationError', false],
    [503, 'no node has room', 'SandboxCreationError', true],
  ])('%i %s: %s', async (status, message, name, retryable) => {
    const client = await refused(status, message);
    const error = await client.createSession('x').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name, retryable, status, message: expect.stringContaining(message) });
    expect(AgentClientError.isInstance(error)).toBe(true);
  });

  test.each([
    [502, 'text/html', '<h1>Bad gateway</h1>', /status 502 is not E2B's API: HTML page from a proxy/],
    [429, 'text/html', '<html><b>slow</b></html>', /status 429 is not E2B's API: HTML page from a proxy/],
    [401, 'text/html', '<title>Log in</title>', /status 401 is not E2B's API: HTML page from a proxy/],
    [
      200,
      'text/html',
      '<!doctype html><p>Welcome</p>',
      /the response is not E2B's API: HTML page from a proxy/,
    ],
    [200, 'application/json', '<p>Welcome</p>', /the response is not E2B's API: HTML page from a proxy/],
    [200, 'text/plain', 'hello', /is not E2B's API: it has not the JSON/],
    [200, 'text/plain', '', /is not E2B's API: it has not the JSON/],
  ])(
    'an error of ours that quotes no markup, when it is a proxy’s %i %s %j',
    async (status, type, body, message) => {
      const server = createServer((_, response) => {
        response.writeHead(status, { 'content-type': type }).end(body);
      });
      const client = new AgentRuntimeClient({ apiKey, apiUrl: await listen(server) });
      const asks = [
        () => client.listTemplates(),
        () => client.createSession('x'),
        () => client.getSession('x'),
        () => client.reap(),
      ];
      for (const ask of asks) {
        const error = await ask().catch((reason: unknown) => reason);
        expect(AgentClientError.isInstance(error)).toBe(true);
        expect(error).toMatchObject({ message: expect.stringMatching(message) });
        expect(inspect(error, { depth: 10 })).not.toMatch(/<[!/a-z]/i);
      }
    },
  );

  test.each([
    ['1', 1_000],
    ['0', 0],
    [new Date(Date.now() + 3_600_000).toUTCString(), 3_600_000],
    [undefined, undefined],
  ])('a RateLimitError that says how long to wait: Retry-After %s', async (retryAfter, ms) => {
    const server = createServer((_, response) =>
      json(
        response,
        429,
        { code: 429, message: 'slow down' },
        retryAfter === undefined ? {} : { 'retry-after': retryAfter },
      ),
    );
    const client = new AgentRuntimeClient({ apiKey, apiUrl: await listen(server) });
    for (const ask of [() => client.createSession('x'), () => client.listTemplates()]) {
      const error = await ask().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'RateLimitError' });
      const waits: unknown = Reflect.get(Object(error), 'retryAfterMs');
      if (ms === undefined || ms < 10_000) expect(waits).toBe(ms);
      else expect(waits).toBeGreaterThan(ms - 600_000);
    }
  });

  test('a TimeoutError that names the option, when it does not come in time', async () => {
    const server = createServer(() => {});
    const client = new AgentRuntimeClient({
      apiKey,
      apiUrl: await listen(server),
      config: { requestTimeoutMs: 200 },
    });
    await expect(client.listTemplates()).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 'platform_timeout',
      message: expect.stringContaining('requestTimeoutMs'),
    });
  });

  test('a NetworkError, when there is no answer', async () => {
    const gone = createServer();
    const apiUrl = await listen(gone);
    await new Promise((resolve) => gone.close(resolve));
    const client = new AgentRuntimeClient({ apiKey, apiUrl });
    await expect(client.createSession('x')).rejects.toMatchObject({ name: 'NetworkError', retryable: true });
  });
});

test('no secret is in a message, a cause or an inspected client, even if the platform repeats it', async () => {
  const client = await refused(400, `bad key ${apiKey}`);
  const error = await client.createSession('x').catch((reason: unknown) => reason);
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(apiKey);
  expect(inspect(client, { depth: 10, showHidden: true })).not.toContain(apiKey);
  expect(JSON.stringify(client)).not.toContain(apiKey);
});

test('no error of a dependency is in the chain of causes', async () => {
  const client = await refused(500, 'internal');
  const error = await client.createSession('x').catch((reason: unknown) => reason);
  const cause: unknown = Reflect.get(Object(error), 'cause');
  expect(Object.getPrototypeOf(cause)).toBe(Error.prototype);
});
