import { expect, test, vi } from 'vitest';
import { HostError } from '../engine/host-error.js';
import { Parking } from './wake-queue.js';

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
  const parking = new Parking();
  const { sandbox, awake } = sleeper();
  const waiting = Array.from({ length: 50 }, () => parking.wake(sandbox));
  awake();
  await Promise.all(waiting);
  expect(sandbox.wake).toHaveBeenCalledOnce();
  const again = parking.wake(sandbox);
  awake();
  await again;
  expect(sandbox.wake).toHaveBeenCalledTimes(2);
});

test('turns away whoever finds too many waiting, for this sandbox only', async () => {
  const parking = new Parking({ requests: 2, ms: 60_000 });
  const { sandbox, awake } = sleeper();
  const other = sleeper('other');
  const waiting = [parking.wake(sandbox), parking.wake(sandbox)];
  await expect(parking.wake(sandbox)).rejects.toMatchObject({ status: 503 });
  const elsewhere = parking.wake(other.sandbox);
  awake();
  other.awake();
  await Promise.all([...waiting, elsewhere]);
});

test('lets nobody wait for ever, and keeps no place for who has left', async () => {
  const parking = new Parking({ requests: 1, ms: 20 });
  const { sandbox, awake } = sleeper();
  await expect(parking.wake(sandbox)).rejects.toThrow(/20 ms/);
  await expect(parking.wake(sandbox)).rejects.toThrow(/20 ms/);
  expect(sandbox.wake).toHaveBeenCalledOnce();
  awake();
});

test('tells all that wait when the sandbox cannot wake up', async () => {
  const parking = new Parking();
  const { sandbox, fail } = sleeper();
  const waiting = [parking.wake(sandbox), parking.wake(sandbox)];
  fail(new HostError(404, 'gone'));
  for (const one of waiting) await expect(one).rejects.toMatchObject({ status: 404 });
});
