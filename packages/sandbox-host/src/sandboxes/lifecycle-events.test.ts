import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { managerOf } from '../../test/manager-of.js';
import { openEngine } from '../host/open-engine.js';
import type { SandboxManager } from './sandbox-manager.js';
import { defaultSettings } from './sandbox-settings.js';

let directory: string;
let engine: LocalEngine;
let manager: SandboxManager;
let told: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sandpiper-events-'));
  engine = await openEngine({ logger: console, directory, isolation: 'none' });
  manager = managerOf(engine, directory);
  told = [];
  manager.events.on('transition', ({ sandbox, from, to, cause, elapsedMs }) => {
    expect(manager.find(sandbox.id)?.state).toBe(to);
    expect(elapsedMs).toBeGreaterThanOrEqual(0);
    told.push(`${from} > ${to} (${cause})`);
  });
  manager.events.on('phase', ({ phase, elapsedMs }) => {
    expect(elapsedMs).toBeGreaterThan(0);
    told.push(phase);
  });
});

afterEach(async () => {
  await manager.close();
  await engine.close();
  await rm(directory, { recursive: true });
});

const settings = { ...defaultSettings, templateId: 'base' };

test('every step of a sandbox is told, with its cause, and the parts of its making', async () => {
  const { id } = await manager.create(engine.baseImage, {
    ...settings,
    start: { startCmd: 'sleep 1000', readyCmd: 'true' },
  });
  const sandbox = manager.get(id);
  await Promise.all([sandbox.pause(), sandbox.pause(), sandbox.resume(60_000, { cause: 'request' })]);
  await Promise.all([manager.kill(id), manager.kill(id)]);
  expect(told).toEqual([
    'boot',
    'ready',
    'creating > running (caller)',
    'running > pausing (caller)',
    'pausing > paused (caller)',
    'paused > resuming (request)',
    'resuming > running (request)',
    'running > killing (caller)',
    'killing > gone (caller)',
  ]);
});

test('a sandbox whose server does not start was never there', async () => {
  const failing = { ...settings, start: { startCmd: 'exit 3', readyCmd: 'false' } };
  await expect(manager.create(engine.baseImage, failing)).rejects.toThrow(/exit code 3/);
  expect(told).toEqual(['boot', 'creating > killing (failed)', 'killing > gone (failed)']);
  expect(manager.list()).toEqual([]);
});

test('a sandbox that is killed while it is being made is gone when the kill is answered', async () => {
  const made = manager.create(engine.baseImage, {
    ...settings,
    start: { startCmd: 'sleep 1000', readyCmd: 'false' },
  });
  made.catch(() => {});
  const id = await new Promise<string>((resolve) => {
    manager.events.once('phase', ({ sandboxId }) => resolve(sandboxId));
  });
  expect(await manager.kill(id)).toBe(true);
  expect(manager.find(id)).toBeUndefined();
  await expect(made).rejects.toThrow(/was not found/);
});
