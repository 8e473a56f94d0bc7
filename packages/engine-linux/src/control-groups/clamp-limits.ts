import { availableParallelism, totalmem } from 'node:os';
import type { Limits } from '@sandpiper/sandbox-engine/engine';

/** What is set where nothing is said: room for a browser's threads, and an end to a fork bomb. */
const defaultPids = 1_024;

/** What control groups keep to, with nothing left open. */
export type EffectiveLimits = Required<Omit<Limits, 'diskMB'>>;

/** Limits as this machine can keep them: none is more than the machine has. */
export function clampLimits(limits: Limits): EffectiveLimits {
  // What the host itself is held to; more than all there is when it is held to nothing.
  const constrained = process.constrainedMemory() || totalmem();
  return {
    cpuCount: Math.min(limits.cpuCount, availableParallelism()),
    memoryMB: Math.min(limits.memoryMB, Math.floor(Math.min(totalmem(), constrained) / 2 ** 20)),
    pids: limits.pids ?? defaultPids,
  };
}
