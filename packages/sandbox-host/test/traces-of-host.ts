import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { disksOf, groupsOf, processesWith, tracesOfOwnBlock } from '@sandpiper/engine-linux/testing/traces';

/** What the machine has of a host of this process in a data directory, but for the directory. */
export function tracesOf(dataDir: string): string[] {
  const swaps = existsSync('/proc/swaps') ? readFileSync('/proc/swaps', 'utf8').split('\n') : [];
  const block = /"block":(\d+)/.exec(
    existsSync(join(dataDir, 'network.json')) ? readFileSync(join(dataDir, 'network.json'), 'utf8') : '',
  )?.[1];
  return [
    ...processesWith(dataDir).map((pid) => `process ${pid}`),
    ...groupsOf(dataDir),
    ...disksOf(dataDir),
    ...swaps.filter((line) => line.includes(dataDir)),
    ...(block === undefined ? [] : tracesOfOwnBlock(block)),
  ];
}
