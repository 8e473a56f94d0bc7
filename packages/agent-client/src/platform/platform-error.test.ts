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

  test('an error of ours, when it is no JSON, as a proxy in between writes', async () => {
    const server = createServer((_, response) => {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    });
    const client = new AgentRuntimeClient({ apiKey, apiUrl: await listen(server) });
    const error = await client.listTemplates().catch((reason: unknown) => reason);
    expect(AgentClientError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ status: 502 });
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
