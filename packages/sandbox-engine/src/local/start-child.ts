import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { shortageOf } from '../shortage.js';

/**
 * Starts a program; settles when it runs. For want of descriptors Node.js gives out a child without streams, for want of
 * memory it throws: neither may get as far as code that takes the child for one.
 *
 * @throws HostError 503 when the machine has no room for it, else the system's error.
 */
export async function startChild<T extends ChildProcess = ChildProcess>(
  file: string,
  args: string[],
  options: SpawnOptions,
): Promise<T> {
  try {
    const child = spawn(file, args, options);
    // Where there is no room for a process, its streams fail, too, on their own.
    for (const stream of child.stdio ?? []) stream?.on('error', () => {});
    await once(child, 'spawn');
    return child as T;
  } catch (error) {
    throw shortageOf(error) ?? error;
  }
}
