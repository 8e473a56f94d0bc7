import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { managerOf } from '../../test/manager-of.js';
import { openEngine } from '../host/open-engine.js';
import { defaultSettings } from './sandbox-settings.js';

let directory: string;
let engine: LocalEngine;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sandpiper-manager-'));
  engine = await openEngine({ logger: console, directory, isolation: 'none' });
});

afterAll(async () => {
  await engine.close();
  await rm(directory, { recursive: true });
});

test('calls a sandbox older only than those that were not there when it was first listed', async () => {
  let begin = (): void => {};
  const slow = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let starts = 0;
  const oneSlowStart = {
    ...engine,
    start: async (...given: Parameters<LocalEngine['start']>) => {
      if (starts++ === 0) await slow;
      return engine.start(...given);
    },
  };
  const manager = managerOf(oneSlowStart, directory);
  const create = () => manager.create(engine.baseImage, { ...defaultSettings, templateId: 'base' });
  const askedFirst = create();
  const [second, third] = await Promise.all([create(), create()]);
  begin();
  const first = await askedFirst;
  const listed = manager.list();
  expect(listed.at(-1)).toBe(first);
  expect(new Set(listed)).toEqual(new Set([first, second, third]));
  expect(new Set(listed.map(({ startedAt }) => startedAt.getTime())).size).toBe(3);
  expect(listed).toEqual([...listed].sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime()));
  await manager.close();
});
