import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { expect, test, vi } from 'vitest';
import { WakeQueue } from './wake-queue.js';

/** A sandbox that wakes up when it is told to. */
function sleeper(id = 'sleeper') {
  let awake = (_: boolean): void => {};
  let fail = (_: Error): void => {};
  const wake = vi.fn(
    () =>
      new Promise<boolean>((resolve, reject) => {
        awake = resolve;
        fail = reject;
      }),
  );
  return { sandbox: { id, wake }, awake: () => awake(true), fail: (error: Error) => fail(error) };
}

test('wakes a sandbox once, however many wait, and once more when it has slept again', async () => {
  const wakeQueue = new WakeQueue();
  const { sandbox, awake } = sleeper();
  const waiting = Array.from({ length: 50 }, () => wakeQueue.wake(sandbox));
  awake();
  await Promise.all(waiting);
  expect(sandbox.wake).toHaveBeenCalledOnce();
  const again = wakeQueue.wake(sandbox);
  awake();
  await again;
  expect(sandbox.wake).toHaveBeenCalledTimes(2);
});

test('turns away a caller that finds too many waiting, for this sandbox only', async () => {
  const wakeQueue = new WakeQueue({ requests: 2, ms: 60_000 });
  const { sandbox, awake } = sleeper();
  const other = sleeper('other');
  const waiting = [wakeQueue.wake(sandbox), wakeQueue.wake(sandbox)];
  await expect(wakeQueue.wake(sandbox)).rejects.toMatchObject({ status: 503 });
  const elsewhere = wakeQueue.wake(other.sandbox);
  awake();
  other.awake();
  await Promise.all([...waiting, elsewhere]);
});

test('lets nobody wait for ever, and keeps no place for who has left', async () => {
  const wakeQueue = new WakeQueue({ requests: 1, ms: 20 });
  const { sandbox, awake } = sleeper();
  await expect(wakeQueue.wake(sandbox)).rejects.toThrow(/20 ms/);
  await expect(wakeQueue.wake(sandbox)).rejects.toThrow(/20 ms/);
  expect(sandbox.wake).toHaveBeenCalledOnce();
  awake();
});

test('tells all that wait when the sandbox cannot wake up', async () => {
  const wakeQueue = new WakeQueue();
  const { sandbox, fail } = sleeper();
  const waiting = [wakeQueue.wake(sandbox), wakeQueue.wake(sandbox)];
  fail(new HostError(404, 'gone'));
  for (const one of waiting) await expect(one).rejects.toMatchObject({ status: 404 });
});
