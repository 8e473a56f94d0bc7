import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { post } from '../../test/each-server.js';
import { spawnProgram } from '../../test/spawn-program.js';

/** Waits until the server takes no new connection. */
async function untilClosed(url: string): Promise<void> {
  await expect
    .poll(
      () =>
        fetch(url, post({ values: 1 })).then(
          () => 'open',
          () => 'closed',
        ),
      { timeout: 15_000 },
    )
    .toBe('closed');
}

test('SIGTERM takes no more, lets a stream finish, and ends with code 0', async () => {
  const { child, lines, exit } = await spawnProgram('slow-agent', { GRACE_MS: '10000' });
  const url = `http://127.0.0.1:${lines[0]}/invocations`;
  const response = await fetch(url, post({ values: 10 }));
  child.kill('SIGTERM');
  await untilClosed(url);
  expect(await response.text()).toBe(Array.from({ length: 10 }, (_, value) => `data: ${value}\n\n`).join(''));
  expect(await exit).toBe(0);
  expect(lines.at(-1)).toBe('stopped');
});

test('SIGTERM ends what outlasts the grace with a typed error, not with a cut', async () => {
  const { child, lines, exit } = await spawnProgram('slow-agent', { GRACE_MS: '200' });
  const headers = { 'x-stream-protocol': 'resumable-1' };
  const response = await fetch(`http://127.0.0.1:${lines[0]}/invocations`, post({ values: 1000 }, headers));
  child.kill('SIGTERM');
  expect(await response.text()).toMatch(
    /event: error\nid: \d+\ndata: \{"error":"[^"]+","error_type":"ShutdownError"\}\n\n$/,
  );
  expect(await exit).toBe(0);
});

test('a second signal ends the process at once', async () => {
  const { child, lines, exit } = await spawnProgram('slow-agent', { GRACE_MS: '60000' });
  const url = `http://127.0.0.1:${lines[0]}/invocations`;
  const response = await fetch(url, post({ values: 1000 }));
  child.kill('SIGTERM');
  await untilClosed(url);
  await sleep(300);
  child.kill('SIGTERM');
  expect(await exit).toBe(143);
  await expect(response.text()).rejects.toThrow();
});

// `npm start` hands on to its child what the child's process group has got, too.
test('a signal that comes twice at once is one', async () => {
  const { child, lines, exit } = await spawnProgram('slow-agent', { GRACE_MS: '10000' });
  const response = await fetch(`http://127.0.0.1:${lines[0]}/invocations`, post({ values: 10 }));
  child.kill('SIGTERM');
  await sleep(30);
  child.kill('SIGTERM');
  expect((await response.text()).match(/data/g)).toHaveLength(10);
  expect(await exit).toBe(0);
  expect(lines.at(-1)).toBe('stopped');
});
