import { parseCpu, parseMemory, ValidationError } from '@sandpiper/protocol';
import { SandboxCreationError } from '../errors/sandbox-creation-error.js';
import type { SandboxConfig } from './sandbox-config.js';

/** What a sandbox has to have at least. */
export interface Requirement {
  memoryBytes: number;
  cpus: number;
}

/**
 * Reads the limits of a configuration. E2B's API sets them for a template, not for a sandbox, so they are checked and
 * not sent.
 *
 * @throws ValidationError when they are no quantities.
 */
export function readRequirement({ memoryLimit, cpuLimit }: SandboxConfig): Requirement | undefined {
  if (memoryLimit === undefined && cpuLimit === undefined) return undefined;
  const memoryBytes = memoryLimit === undefined ? 0 : parseMemory(memoryLimit);
  const cpus = cpuLimit === undefined ? 0 : parseCpu(cpuLimit);
  if (memoryBytes === undefined)
    throw new ValidationError(`config.memoryLimit: ${memoryLimit} is no amount of memory.`);
  if (cpus === undefined)
    throw new ValidationError(`config.cpuLimit: ${cpuLimit} is no share of processors.`);
  return { memoryBytes, cpus };
}

/** @throws SandboxCreationError when the sandbox has less. */
export function checkRequirement(
  { memoryBytes, cpus }: Requirement,
  has: { memoryMB: number; cpuCount: number; sandboxId: string },
): void {
  if (has.memoryMB * 2 ** 20 >= memoryBytes && has.cpuCount >= cpus) return;
  throw new SandboxCreationError(
    `The template gives ${has.memoryMB} MiB and ${has.cpuCount} CPU, less than \`config\` asks for: build the template with more.`,
    { sandboxId: has.sandboxId },
  );
}
