import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Limits } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { clampLimits } from './clamp-limits.js';
import { ControlGroup, type Group, type GroupJobs } from './control-group.js';
import { removeGroup } from './group-files.js';
import { findPlaces, type Place } from './hierarchies.js';
import { groupsIn, limiting, makeHostGroup } from './host-group.js';
import { durableName, ownName } from './host-names.js';

/** The control groups of one host, in which those of its sandboxes are made. */
export interface ControlGroups {
  /** What they can do, and by which version each. */
  readonly jobs: GroupJobs;
  /** Makes this host's own groups again where another program of the machine has removed them. */
  renew(): Promise<void>;
  /** Makes the group of one sandbox. */
  make(id: string, limits: Limits): Promise<ControlGroup>;
  /** Removes the groups of all other sandboxes, killing what is in them. */
  keepOnly(ids: ReadonlySet<string>): Promise<void>;
  /** Removes what is left; sandboxes must have been destroyed. */
  close(): Promise<void>;
}

/** What could be opened, and why no more. */
export interface OpenedControlGroups {
  /** Undefined where not even freezing is possible. */
  groups: ControlGroups | undefined;
  /** Why no group does what {@link ControlGroups.jobs} lacks. */
  obstacle: string;
}

/**
 * Makes groups for this host wherever the machine lets it, and removes those of hosts that have died. For each
 * job version 2 is preferred: what it froze can still be killed.
 *
 * @param durableFor - The data directory of a host whose sandboxes outlive it: they are orphans only when it has gone.
 */
export async function openControlGroups(durableFor?: string): Promise<OpenedControlGroups> {
  const name = durableFor === undefined ? ownName() : durableName(durableFor);
  const places = await findPlaces();
  const made: Place[] = [];
  /** Several places may have the same. */
  const obstacles = new Set<string>();
  const unified = await makeBestUnified(
    places.filter(({ version }) => version === 2),
    name,
    obstacles,
  );
  if (unified) made.push(unified);
  for (const place of places) {
    if (place.version === 2) continue;
    const missing = [...limiting, 'cpuacct', 'freezer'].filter((one) => !unified?.controllers.includes(one));
    if (!place.controllers.some((one) => missing.includes(one))) continue;
    const base = await makeHostGroup(place, name, obstacles);
    if (base) made.push(base);
  }
  const find = (test: (place: Place) => boolean): Group | undefined => made.find(test);
  const withController = (controller: string): Group | undefined =>
    find(({ controllers }) => controllers.includes(controller));
  const freeze = find(({ version }) => version === 2) ?? withController('freezer');
  const obstacle = [...obstacles].join('; ') || 'none are mounted';
  if (!freeze) return { groups: undefined, obstacle };
  const jobs: GroupJobs = {
    freeze,
    cpu: withController('cpu'),
    memory: withController('memory'),
    pids: withController('pids'),
    account: freeze.version === 2 ? freeze : withController('cpuacct'),
  };
  const used = new Set(Object.values(jobs) as (Group | undefined)[]);
  for (const place of made) if (!used.has(place)) await rmdir(place.directory).catch(() => {});

  const renew = async (): Promise<void> => {
    for (const place of made) {
      if (!used.has(place) || existsSync(place.directory)) continue;
      const now = new Set<string>();
      const again = await makeHostGroup({ ...place, directory: dirname(place.directory) }, name, now);
      if (!place.controllers.every((one) => again?.controllers.includes(one)))
        throw new HostError(
          503,
          `The control group ${place.directory} was removed from the machine, and cannot be made again: ${[...now].join('; ')}.`,
        );
    }
  };

  const groups: ControlGroups = {
    jobs,
    renew,
    async make(id, limits) {
      await renew();
      const inside = (group: Group | undefined): Group | undefined =>
        group && { ...group, directory: join(group.directory, id) };
      const group = new ControlGroup(
        {
          freeze: { ...freeze, directory: join(freeze.directory, id) },
          cpu: inside(jobs.cpu),
          memory: inside(jobs.memory),
          pids: inside(jobs.pids),
          account: inside(jobs.account),
        },
        clampLimits(limits),
      );
      try {
        await group.make();
      } catch (error) {
        await group.remove();
        throw error;
      }
      return group;
    },
    async keepOnly(ids) {
      for (const place of made) {
        if (!used.has(place)) continue;
        for (const id of groupsIn(place.directory)) {
          if (!ids.has(id)) await removeGroup(join(place.directory, id));
        }
      }
    },
    async close() {
      for (const place of made) await rmdir(place.directory).catch(() => {});
    },
  };
  return { groups, obstacle };
}

/** Makes this host's group in the place of version 2 that controls most. */
async function makeBestUnified(
  places: Place[],
  name: string,
  obstacles: Set<string>,
): Promise<Place | undefined> {
  let best: Place | undefined;
  for (const place of places) {
    const base = await makeHostGroup(place, name, obstacles);
    const better = base && (!best || base.controllers.length > best.controllers.length);
    const worse = better ? best : base;
    if (worse) await rmdir(worse.directory).catch(() => {});
    if (better) best = base;
  }
  return best;
}
