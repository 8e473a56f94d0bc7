import type { ProcessStats } from '@sandpiper/sandbox-engine/local/stats';
import type { ControlGroup } from './control-groups/control-group.js';

/** What a sandbox's control groups have counted; undefined where they do not count. */
export function groupStats(group: ControlGroup | undefined): ProcessStats | undefined {
  const usage = group?.usage();
  return usage && group && { ...usage, processes: group.pids().length - 1, oomKills: group.oomKills() };
}
