import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import { onTestFinished } from 'vitest';

/** An agent of the real runtime that counts how often each invocation's handler ran. */
export interface CountingAgent {
  port: number;
  executions: Map<string, number>;
}

/**
 * Starts one for a test. It answers `{ id, n }` with `{ id, sum }`, or with the numbers to n when `stream` is set.
 *
 * @param executions - Shared by agents that stand for one agent before and after a restart.
 */
export async function countingAgent(executions: Map<string, number> = new Map()): Promise<CountingAgent> {
  const app = new AgentRuntimeApp();
  app.entrypoint(async (input: unknown) => {
    const { id, n, ms, stream } = input as { id: string; n: number; ms: number; stream: boolean };
    executions.set(id, (executions.get(id) ?? 0) + 1);
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    if (stream) {
      return (async function* () {
        for (let i = 1; i <= n; i += 1) {
          if (ms > 0) await pause();
          yield i;
        }
      })();
    }
    await pause();
    return { id, sum: (n * (n + 1)) / 2 };
  });
  const server = await app.run({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => server.close());
  return { port: server.port, executions };
}
