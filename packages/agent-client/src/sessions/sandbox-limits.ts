import { headers, parseCpu, parseMemory, ValidationError } from '@sandpiper/protocol';
import { SandboxCreationError } from '../errors/sandbox-creation-error.js';
import type { SandboxConfig } from './sandbox-config.js';

/** Limits of one sandbox; undefined is what its template says. */
export interface SandboxLimits {
  memoryMB?: number | undefined;
  cpuCount?: number | undefined;
}

/**
 * Reads the limits of a configuration. A part of a MiB is left out.
 *
 * @throws ValidationError when they are no quantities.
 */
export function readLimits({ memoryLimit, cpuLimit }: SandboxConfig): SandboxLimits {
  const bytes = memoryLimit === undefined ? undefined : parseMemory(memoryLimit);
  if (memoryLimit !== undefined && (bytes === undefined || bytes < 2 ** 20))
    throw new ValidationError(`config.memoryLimit: ${memoryLimit} is no amount of memory from 1Mi on.`);
  const cpuCount = cpuLimit === undefined ? undefined : parseCpu(cpuLimit);
  if (cpuLimit !== undefined && cpuCount === undefined)
    throw new ValidationError(`config.cpuLimit: ${cpuLimit} is no share of processors.`);
  return { memoryMB: bytes === undefined ? undefined : Math.floor(bytes / 2 ** 20), cpuCount };
}

/** How the limits travel with a creation: E2B's API has no field for them, its SDK takes headers, and E2B ignores these. */
export function limitHeaders({ memoryMB, cpuCount }: SandboxLimits): Record<string, string> {
  return {
    ...(memoryMB !== undefined && { [headers.sandboxMemoryMB]: String(memoryMB) }),
    ...(cpuCount !== undefined && { [headers.sandboxCpuCount]: String(cpuCount) }),
  };
}

/** @throws SandboxCreationError when the platform gave the sandbox other limits. */
export function checkLimits(wanted: SandboxLimits, given: Required<SandboxLimits>, sandboxId: string): void {
  const other = otherLimits(wanted, given);
  if (!other) return;
  throw new SandboxCreationError(
    `The platform gave the sandbox ${other}: it has no such limits, or sets them for a template only. Take a template that has them, or leave the options out.`,
    { sandboxId },
  );
}

/**
 * The limits of a sandbox are set when it is created: nothing in E2B's API changes them later.
 *
 * @throws SandboxCreationError when a sandbox that was found has other limits than the ones asked for.
 */
export function checkFoundLimits(
  wanted: SandboxLimits,
  given: Required<SandboxLimits>,
  sandboxId: string,
): void {
  const other = otherLimits(wanted, given);
  if (!other) return;
  throw new SandboxCreationError(
    `The session under this name has ${other} (sandbox ${sandboxId}): close it, take another \`runtimeSessionId\` or \`idempotencyKey\`, or leave the options out.`,
    { sandboxId },
  );
}

/** How the given limits differ from the wanted ones; undefined when they do not. */
function otherLimits(wanted: SandboxLimits, given: Required<SandboxLimits>): string | undefined {
  const { memoryMB = given.memoryMB, cpuCount = given.cpuCount } = wanted;
  if (memoryMB === given.memoryMB && cpuCount === given.cpuCount) return undefined;
  return `${given.memoryMB} MiB and ${given.cpuCount} CPU, not the ${memoryMB} MiB and ${cpuCount} CPU of \`config.memoryLimit\` and \`config.cpuLimit\``;
}
