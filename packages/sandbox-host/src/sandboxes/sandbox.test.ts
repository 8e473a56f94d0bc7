import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { managerOf, recordsIn } from '../../test/manager-of.js';
import { openEngine } from '../host/open-engine.js';
import type { Sandbox } from './sandbox.js';
import type { SandboxManager } from './sandbox-manager.js';
import { defaultSettings } from './sandbox-settings.js';

let directory: string;
let engine: LocalEngine;
let manager: SandboxManager;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sandpiper-sandbox-'));
  engine = await openEngine({ logger: console, directory, isolation: 'none' });
  manager = managerOf(engine, directory);
});
afterAll(async () => {
  await manager.close();
  await engine.close();
  await rm(directory, { recursive: true });
});

const create = () => manager.create(engine.baseImage, { ...defaultSettings, templateId: 'base' });

/** What can be asked of a sandbox, and what it answers and is then, by what it was. */
const operations: Record<
  string,
  { run: (sandbox: Sandbox) => Promise<unknown>; expected: (state: string) => [unknown, string] }
> = {
  pause: {
    run: (sandbox) => sandbox.pause(),
    expected: (state) => (state === 'running' ? [true, 'paused'] : [state === 'paused' ? false : 404, state]),
  },
  resume: {
    run: (sandbox) => sandbox.resume(60_000),
    expected: (state) =>
      state === 'paused' ? [true, 'running'] : [state === 'running' ? false : 404, state],
  },
  kill: {
    run: (sandbox) => manager.kill(sandbox.id),
    expected: (state) => [state !== 'gone', 'gone'],
  },
};

describe('operations on one sandbox', () => {
  test('that come at once are carried out one after the other, in their order, each once', async () => {
    const orders = fc.array(fc.constantFrom('pause', 'resume', 'pause', 'resume', 'kill'), {
      minLength: 2,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(orders, async (order) => {
        const sandbox = await create();
        let state = 'running';
        const expected = order.map((name) => {
          const [answer, next] = operations[name]?.expected(state) ?? [];
          state = next ?? state;
          return answer;
        });
        const given = await Promise.all(
          order.map((name) =>
            operations[name]?.run(sandbox).catch((error: { status: number }) => error.status),
          ),
        );
        expect(given).toEqual(expected);
        expect(sandbox.state).toBe(state);
        await manager.kill(sandbox.id);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  test('leave its time to live as it was when it was paused', async () => {
    const sandbox = await create();
    sandbox.setTimeout(60_000);
    await sandbox.pause();
    const left = sandbox.leftMs;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sandbox.leftMs).toBe(left);
    await sandbox.wake();
    // What it was given at first is more than what was left.
    expect(sandbox.leftMs).toBeGreaterThan(60_000);
    sandbox.setTimeout(1_000_000);
    await sandbox.pause();
    await sandbox.wake();
    expect(sandbox.leftMs).toBeGreaterThan(900_000);
    await manager.kill(sandbox.id);
  });
});

test('what cannot be written down beforehand is not done', async () => {
  const books = await mkdtemp(join(tmpdir(), 'sandpiper-books-'));
  const store = recordsIn(books);
  let full = false;
  const failing = {
    ...store,
    put: (...record: Parameters<typeof store.put>) => {
      if (full) throw new Error('ENOSPC');
      store.put(...record);
    },
  };
  const careful = managerOf(engine, books, { store: failing });
  const settings = { ...defaultSettings, templateId: 'base' };
  const sandbox = await careful.create(engine.baseImage, settings);
  full = true;
  await expect(careful.create(engine.baseImage, settings)).rejects.toMatchObject({ status: 507 });
  expect(careful.list()).toEqual([sandbox]);
  await expect(sandbox.pause()).rejects.toMatchObject({ status: 507 });
  expect(sandbox.state).toBe('running');
  expect((await sandbox.engine.stats()).processes).toBe(0);
  full = false;
  expect(await sandbox.pause()).toBe(true);
  // An end cannot be refused.
  full = true;
  expect(await careful.kill(sandbox.id)).toBe(true);
  expect([...store.values()]).toEqual([]);
  await careful.close();
  store.close();
  await rm(books, { recursive: true });
});
