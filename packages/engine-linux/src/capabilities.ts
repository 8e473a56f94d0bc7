import type { Capabilities, Capability } from '@sandpiper/sandbox-engine/engine';
import { sharedNetwork } from '@sandpiper/sandbox-engine/local/ports/port-scripts';
import type { ControlGroups } from './control-groups/control-groups.js';
import type { Swap } from './swap-file.js';

/** What the engine found on this machine. */
export interface CapabilityFacts {
  /** Why sandboxes cannot have users of their own; undefined where they can. */
  idsObstacle: string | undefined;
  /** Why they cannot have disks of their own; undefined where they can. */
  diskObstacle: string | undefined;
  /** Why they have to share the host's network; undefined where each has its own. */
  networkObstacle: string | undefined;
  groups: ControlGroups | undefined;
  /** Why there are no control groups for what the groups do not do. */
  groupsObstacle: string;
  swap: Swap;
}

const walls = 'own mount, process, IPC and host-name namespaces, no privileges, a filter of system calls';

/** What follows for sandboxes from what there is. */
export function describeCapabilities({
  idsObstacle,
  diskObstacle,
  networkObstacle,
  groups,
  groupsObstacle,
  swap,
}: CapabilityFacts): Capabilities {
  const network: Capability = networkObstacle
    ? {
        level: 'absent',
        reason: sharedNetwork(networkObstacle),
      }
    : { level: 'enforced', reason: 'own network namespaces, and a packet filter on the host' };
  const disk: Capability = diskObstacle
    ? { level: 'absent', reason: `what sandboxes keep lies on the machine's disk: ${diskObstacle}` }
    : { level: 'enforced', reason: 'a file system of its own for what a sandbox keeps, in a file' };
  const checkpoint = { level: 'enforced', reason: 'files are copied while nothing runs' } as const;
  return {
    isolation: idsObstacle
      ? {
          level: 'advisory',
          reason: `${walls}, but no user namespace: root in a sandbox is root of the machine without its privileges (${idsObstacle})`,
        }
      : { level: 'enforced', reason: `${walls}, and users of their own` },
    limits: describeLimits(groups, groupsObstacle),
    disk,
    network,
    freeze: groups
      ? { level: 'enforced', reason: `control group version ${groups.jobs.freeze.version}` }
      : {
          level: 'advisory',
          reason: `processes get SIGSTOP, since there are no control groups (${groupsObstacle})`,
        },
    hibernate: describeHibernation(groups, groupsObstacle, swap),
    checkpoint,
  };
}

function describeLimits(groups: ControlGroups | undefined, obstacle: string): Capability {
  const limited = (['cpu', 'memory', 'pids'] as const).filter((job) => groups?.jobs[job]);
  const missing = (['cpu', 'memory', 'pids'] as const).filter((job) => !groups?.jobs[job]);
  if (missing.length === 0) {
    return {
      level: 'enforced',
      reason: 'control groups for cpu, memory and pids',
    };
  }
  const lack = `there is no control group for ${missing.join(', ')} (${obstacle})`;
  return limited.length > 0
    ? { level: 'advisory', reason: `only ${limited.join(', ')} is limited: ${lack}` }
    : { level: 'absent', reason: lack };
}

function describeHibernation(
  groups: ControlGroups | undefined,
  groupsObstacle: string,
  { obstacle }: Swap,
): Capability {
  if (!groups?.jobs.memory)
    return { level: 'absent', reason: `there is no control group for memory (${groupsObstacle})` };
  if (obstacle) return { level: 'absent', reason: `${obstacle}: what is paused stays in memory` };
  return { level: 'enforced', reason: 'memory is pushed out to swap' };
}
