import type { Command } from './engine.js';
import { HostError } from './host-error.js';

/** What shells take for the name of a variable; others may exist, but no shell can set or read them. */
export const variableName: RegExp = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Refuses what execve(2) cannot take: it would be cut at the NUL, or be another variable. @throws HostError 400. */
export function checkCommand({ cmd, args, cwd, env }: Pick<Command, 'cmd' | 'args' | 'cwd' | 'env'>): void {
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || /[=\0]/.test(name)) {
      throw new HostError(400, `${JSON.stringify(name)} cannot be the name of an environment variable.`);
    }
    if (value.includes('\0')) {
      throw new HostError(400, `The environment variable "${name}" cannot hold a NUL character.`);
    }
  }
  if (cwd.includes('\0')) throw new HostError(400, 'The working directory cannot hold a NUL character.');
  if ([cmd, ...args].some((text) => text.includes('\0'))) {
    throw new HostError(400, 'A command and its arguments cannot hold a NUL character.');
  }
}
