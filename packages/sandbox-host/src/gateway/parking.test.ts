import { expect, test, vi } from 'vitest';
import { HostError } from '../errors.js';
import { defaultSettings } from '../sandboxes/sandbox-settings.js';
import { Parking } from './parking.js';

/** A sandbox that wakes up when it is told to. */
function sleeper(id = 'sleeper') {
  let wake = (_: boolean): void => {};
  let fail = (_: Error): void => {};
  const resume = vi.fn(
    () =>
      new Promise<boolean>((resolve, reject) => {
        wake = resolve;
        fail = reject;
      }),
  );
  const sandbox = { id, settings: { ...defaultSettings, templateId: 'base' }, resume };
  return { sandbox, resume, wake: () => wake(true), fail: (error: Error) => fail(error) };
}

test('wakes a sandbox once, however many wait, and once more when it has slept again', async () => {
  const parking = new Parking();
  const { sandbox, resume, wake } = sleeper();
  const waiting = Array.from({ length: 50 }, () => parking.wake(sandbox));
  wake();
  await Promise.all(waiting);
  expect(resume).toHaveBeenCalledOnce();
  const again = parking.wake(sandbox);
  wake();
  await again;
  expect(resume).toHaveBeenCalledTimes(2);
});

test('turns away whoever finds too many waiting, for this sandbox only', async () => {
  const parking = new Parking({ requests: 2, ms: 60_000 });
  const { sandbox, wake } = sleeper();
  const other = sleeper('other');
  const waiting = [parking.wake(sandbox), parking.wake(sandbox)];
  await expect(parking.wake(sandbox)).rejects.toMatchObject({ status: 503 });
  const elsewhere = parking.wake(other.sandbox);
  wake();
  other.wake();
  await Promise.all([...waiting, elsewhere]);
});

test('lets nobody wait for ever, and keeps no place for who has left', async () => {
  const parking = new Parking({ requests: 1, ms: 20 });
  const { sandbox, resume, wake } = sleeper();
  await expect(parking.wake(sandbox)).rejects.toThrow(/20 ms/);
  await expect(parking.wake(sandbox)).rejects.toThrow(/20 ms/);
  expect(resume).toHaveBeenCalledOnce();
  wake();
});

test('tells all that wait when the sandbox cannot wake up', async () => {
  const parking = new Parking();
  const { sandbox, fail } = sleeper();
  const waiting = [parking.wake(sandbox), parking.wake(sandbox)];
  fail(new HostError(404, 'gone'));
  for (const one of waiting) await expect(one).rejects.toMatchObject({ status: 404 });
});
