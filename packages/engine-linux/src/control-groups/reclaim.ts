import { once } from 'node:events';
import { join } from 'node:path';
import { startChild } from '@sandpiper/sandbox-engine/local/start-child';

/**
 * Writes to a file of a memory control group what makes the kernel give back memory, which it does before the write
 * returns: in a process of its own, since that takes as long as the disk does and the thread pool has few threads.
 * Less than was asked for is no fault.
 */
export async function reclaim(
  directory: string,
  file: string,
  value: string,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) return;
  const script = 'printf %s "$0" > "$1"';
  const writer = await startChild('sh', ['-c', script, value, join(directory, file)], { stdio: 'ignore' });
  const stop = (): unknown => writer.kill('SIGKILL');
  signal?.addEventListener('abort', stop);
  try {
    await once(writer, 'close');
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
