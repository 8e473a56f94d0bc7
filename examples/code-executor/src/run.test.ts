import { expect, test, vi } from 'vitest';
import { requestSchema } from './request.js';
import { type RunEvent, run } from './run.js';

vi.mock('./session-members.js', async (original) => ({
  ...(await original<typeof import('./session-members.js')>()),
  // As where no descriptor is left, which a test cannot bring about for this alone.
  sessionMembers: () => Promise.reject(new Error('EMFILE')),
}));

// A rejection that nobody takes care of fails the test run, and ends an agent.
test.skipIf(process.platform !== 'linux')('a run whose processes cannot be counted is stopped', async () => {
  const events: RunEvent[] = [];
  const request = requestSchema.parse({ language: 'node', code: 'setInterval(() => {}, 1000)' });
  for await (const event of run(request, new AbortController().signal)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: 'exit', stopped: 'processes' });
});
