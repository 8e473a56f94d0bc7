import { AgentRuntimeApp, type RuntimeConfig } from '@sandpiper/agent-runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect, type TestAgent } from '../../test/support/agent-server.js';

/** An agent of the real runtime whose handler calls a model provider that refuses it. */
async function refusedByProvider(config: RuntimeConfig = {}): Promise<TestAgent> {
  const app = new AgentRuntimeApp({ config: { ...config, host: '127.0.0.1', port: 0 } });
  app.entrypoint(async (input: { status: number; name: string; stream?: boolean; at?: number }) => {
    const error = Object.assign(new Error('the provider says no'), {
      status: input.status,
      name: input.name,
    });
    if (!input.stream) throw error;
    return (async function* () {
      for (let i = 1; i <= (input.at ?? 0); i += 1) yield i;
      throw error;
    })();
  });
  const server = await app.run();
  onTestFinished(() => server.close());
  return connect(`http://127.0.0.1:${server.port}`, [], {});
}

const failures = [
  [401, 'AuthenticationError'],
  [403, 'PermissionDeniedError'],
  [429, 'RateLimitError'],
  [503, 'unavailable'],
  [404, 'not_found'],
] as const;

describe.each(['envelope', 'raw'] as const)(
  'a handler of the %s family that fails by its provider’s',
  (responseFormat) => {
    test.each(failures)(
      '%i %s is the agent’s failure, and no word about the caller',
      async (status, name) => {
        const agent = await refusedByProvider({ responseFormat });
        const error = await agent.invoke({ status, name }).catch((reason: unknown) => reason);
        expect(error).toMatchObject({
          name: 'InvocationError',
          outcome: 'failed',
          status,
          message: 'the provider says no',
        });
        // The raw family has no types; and no failure has the type of a refusal.
        if (responseFormat === 'envelope')
          expect(error).toHaveProperty('errorType', name.includes('Error') ? name : 'Error');
      },
    );

    test.each(failures)('%i %s in mid-stream, or at its first step, is the same', async (status, name) => {
      const agent = await refusedByProvider({ responseFormat });
      for (const at of [0, 2]) {
        const values: unknown[] = [];
        const reading = (async () => {
          for await (const value of agent.stream({ status, name, stream: true, at })) values.push(value);
        })();
        await expect(reading).rejects.toMatchObject({ name: 'InvocationError', outcome: 'failed' });
        expect(values).toHaveLength(at);
      }
    });
  },
);

test('a caller whom the runtime itself refuses gets its reason', async () => {
  const agent = await refusedByProvider({ auth: { bearerToken: 'a-token-that-is-long-enough' } });
  await expect(agent.invoke({ status: 500, name: 'E' })).rejects.toMatchObject({
    name: 'AuthenticationError',
    status: 401,
  });
});
