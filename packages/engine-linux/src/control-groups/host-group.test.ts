import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unless } from '@sandpiper/sandbox-engine/testing/machine';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { removeGroup } from './group-files.js';
import { findPlaces, type Place } from './hierarchies.js';
import { limiting, makeHostGroup } from './host-group.js';

const unified = (await findPlaces()).filter(({ version }) => version === 2).at(-1)?.directory ?? '';
const isRoot = process.getuid?.() === 0;
/** Where some other controls, those of version 1 have them. */
const canLimit =
  isRoot && existsSync(unified) && readFileSync(join(unified, 'cgroup.controllers'), 'utf8').includes('cpu');
const handsDownNothing = 'version 2 has no controllers here';

describe.skipIf(!isRoot || !unified)(
  `a host's group of version 2${unless(isRoot && unified ? undefined : 'needs root, and that it is mounted')}`,
  () => {
    let parent: Place;
    let child: ChildProcess;
    beforeEach(() => {
      parent = { version: 2, directory: join(unified, `host-group-test-${randomUUID()}`), controllers: [] };
      mkdirSync(parent.directory);
      child = spawn('sleep', ['60'], { stdio: 'ignore' });
      if (canLimit)
        for (const one of limiting) writeFileSync(join(unified, 'cgroup.subtree_control'), `+${one}`);
    });
    afterEach(async () => {
      child.kill('SIGKILL');
      for (const inner of ['sandpiper-test', 'leaf']) await removeGroup(join(parent.directory, inner));
      await removeGroup(parent.directory);
    });
    const putInto = (directory: string): void =>
      writeFileSync(join(directory, 'cgroup.procs'), String(child.pid));

    test('limits nothing below a group with processes, says so, and still takes sandboxes', async () => {
      putInto(parent.directory);
      const obstacles = new Set<string>();
      const made = await makeHostGroup(parent, 'sandpiper-test', obstacles);
      expect(made?.controllers).toEqual([]);
      expect([...obstacles]).toEqual([
        `${parent.directory} holds processes, so it cannot hand controllers down`,
      ]);
      putInto(made?.directory ?? '');
    });

    test('limits everything once those have gone to a group beside it', async ({ skip }) => {
      skip(!canLimit, handsDownNothing);
      const leaf = join(parent.directory, 'leaf');
      mkdirSync(leaf);
      putInto(leaf);
      const obstacles = new Set<string>();
      expect(await makeHostGroup(parent, 'sandpiper-test', obstacles)).toMatchObject({
        controllers: limiting,
      });
      expect(obstacles.size).toBe(0);
    });

    test('is not made where the group above controls threads', async ({ skip }) => {
      skip(!canLimit, handsDownNothing);
      putInto(parent.directory);
      // The kernel allows this one, and no processes below from then on.
      writeFileSync(join(parent.directory, 'cgroup.subtree_control'), '+cpu');
      const obstacles = new Set<string>();
      expect(await makeHostGroup(parent, 'sandpiper-test', obstacles)).toBeUndefined();
      expect([...obstacles].join()).toMatch(/by threads/);
      expect(existsSync(join(parent.directory, 'sandpiper-test'))).toBe(false);
    });

    test('says which controllers it was not given', async ({ skip }) => {
      skip(canLimit, 'version 2 controls everything here');
      const obstacles = new Set<string>();
      await makeHostGroup(parent, 'sandpiper-test', obstacles);
      expect([...obstacles]).toEqual([`${parent.directory} has not been handed cpu, memory, pids`]);
    });
  },
);
