import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { askAgent } from './agent-status.js';
import type { Sandbox } from './sandbox.js';

/** A sandbox whose port leads to a server that answers so. */
async function sandboxThatAnswers(body: unknown): Promise<Sandbox> {
  const server = createServer((_, response) => response.end(JSON.stringify(body)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { engine: { dial: async () => ({ host: '127.0.0.1', port }) } } as unknown as Sandbox;
}

test.each([
  [{ status: 'HealthyBusy', message: null, timestamp: '2026-01-01T00:00:00Z' }, { busy: true }],
  [{ status: 'Healthy', message: null, timestamp: '2026-01-01T00:00:00Z' }, { busy: false }],
  [{ status: 'busy', time_of_last_update: '5' }, { busy: true }],
  [
    { status: 'HEALTHY_BUSY', time_of_last_update: 5 },
    { busy: true, since: 5_000 },
  ],
])('an agent that answers %j is one', async (body, expected) => {
  expect(await askAgent(await sandboxThatAnswers(body))).toEqual({ since: undefined, ...expected });
});

test('a server that answers with no status that is known is no agent', async () => {
  expect(await askAgent(await sandboxThatAnswers({ status: 'fine' }))).toBeUndefined();
});
