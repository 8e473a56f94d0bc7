import { describe, expect, test } from 'vitest';
import { json, testAgent } from '../test/support/agent-server.js';
import { AgentRuntimeClient } from './client.js';
import type { AgentRuntimeClientOptions } from './client-config.js';

const apiKey = 'e2b_key';
const misspelt: object = { maxRetry: 3 };

describe('an option that is not valid is named', () => {
  test.each<{ options: AgentRuntimeClientOptions; name: string }>([
    { options: { timeoutMs: 2 ** 33 }, name: 'timeoutMs' },
    { options: { timeoutMs: Number.POSITIVE_INFINITY }, name: 'timeoutMs' },
    { options: { apiUrl: 'localhost' }, name: 'apiUrl' },
    { options: { maxRetries: Number.NaN }, name: 'maxRetries' },
    { options: { maxConnections: -5 }, name: 'maxConnections' },
    { options: { config: { keepAliveTimeoutMs: 0 } }, name: 'config.keepAliveTimeoutMs' },
    { options: misspelt, name: 'maxRetry' },
    { options: { config: misspelt }, name: 'maxRetry' },
  ])('of a client: $name $options', ({ options, name }) => {
    const make = (): AgentRuntimeClient => new AgentRuntimeClient({ apiKey, ...options });
    expect(make).toThrow(
      expect.objectContaining({ name: 'ValidationError', message: expect.stringContaining(name) }),
    );
  });

  test.each([
    [{ headers: { 'x-a': 'b\r\nc: d' } }, 'headers.x-a'],
    [{ headers: { 'x a': 'b' } }, 'headers'],
    [{ idempotencyKey: 'é\n' }, 'idempotencyKey'],
    [{ idempotencyKey: 'order/7' }, 'idempotencyKey: must not contain "/"'],
    [{ idempotencyKey: '..' }, 'idempotencyKey: must not be'],
    [{ requestId: '日本' }, 'requestId'],
    [{ timeoutMs: -1 }, 'timeoutMs'],
  ])('of a call, before anything is sent: %j', async (options, name) => {
    const agent = await testAgent((_, response) => json(response, 200, 1));
    await expect(async () => agent.invoke('x', options)).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringContaining(name),
      retryable: false,
    });
    expect(agent.seen).toHaveLength(0);
  });

  test.each<[string, (client: AgentRuntimeClient, options: object) => unknown]>([
    ['createSession', (client, options) => client.createSession('x', options)],
    ['getSession', (client, options) => client.getSession('x', options)],
    ['invokeAgent', (client, options) => client.invokeAgent('x', 'y', options)],
    ['its session', (client, session) => client.invokeAgent('x', 'y', { session })],
    ['invokeAgentStream', (client, options) => client.invokeAgentStream('x', 'y', options).collect()],
    [
      'invokeAgentRuntime',
      (client, options) => client.invokeAgentRuntime({ agentId: 'x', payload: 'y', ...options }),
    ],
    ['batch', (client, options) => client.batch('x', ['y'], options)[Symbol.asyncIterator]().next()],
    ['reap', (client, options) => client.reap(options)],
    ['listTemplates', (client, options) => client.listTemplates(options)],
  ])('that is misspelt, of %s, before anything is sent', async (_, use) => {
    const client = new AgentRuntimeClient({ apiKey, apiUrl: 'http://127.0.0.1:1' });
    await expect(async () => use(client, { lifeTimeMs: 5 })).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringContaining('lifeTimeMs'),
    });
  });

  test('of a sandbox’s configuration', async () => {
    const client = new AgentRuntimeClient({ apiKey, apiUrl: 'http://127.0.0.1:1' });
    const create = (config: object): Promise<unknown> => client.createSession('x', { config });
    await expect(create({ memory_limit: '1Gi' })).rejects.toThrow('memory_limit');
    await expect(create({ ports: [0] })).rejects.toThrow('config.ports.0');
    await expect(create({ envVars: { A: 1 } })).rejects.toThrow('config.envVars.A');
  });

  test('a life by its old name is pointed to the new one', async () => {
    const client = new AgentRuntimeClient({ apiKey, apiUrl: 'http://127.0.0.1:1' });
    const old: object = { timeoutMs: 60_000 };
    await expect(client.createSession('x', old)).rejects.toThrow('`lifetimeMs`');
    await expect(client.createSession('x', { config: old })).rejects.toThrow('`lifetimeMs`');
  });

  test('of a session: a template or an id that is not there', async () => {
    const client = new AgentRuntimeClient({ apiKey, apiUrl: 'http://127.0.0.1:1' });
    const unset: Record<string, string> = {};
    await expect(client.createSession(unset.TEMPLATE as string)).rejects.toThrow('templateId must be a text');
    await expect(client.getSession(unset.SESSION as string)).rejects.toThrow('must be a text');
    await expect(client.createSession('x', { lifetimeMs: 0 })).rejects.toThrow('lifetimeMs');
    await client.close();
    await expect(client.createSession('x')).rejects.toThrow('The client is closed.');
  });
});
