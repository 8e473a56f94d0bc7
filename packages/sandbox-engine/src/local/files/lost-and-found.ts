import { mkdir, rename, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Logger } from '../../logger.js';
import { errorCode } from './rooted-path.js';

/**
 * Puts aside what the data directory holds and no record names: a host ended between making and recording it, or the
 * records were lost. It may be somebody's only copy, so it is never removed, unless it is an empty directory. What cannot
 * be moved stays where it is.
 *
 * @param directory - Where such things are kept, by the name of the directory they were in.
 */
export async function putAside(path: string, directory: string, logger: Logger): Promise<void> {
  try {
    return await rmdir(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
  }
  const place = join(directory, basename(dirname(path)));
  const to = join(place, `${basename(path)}.${Date.now().toString(36)}`);
  try {
    await mkdir(place, { recursive: true, mode: 0o700 });
    await rename(path, to);
    logger.warn(
      `${path} is named by no record of this host. It was put aside as ${to}; remove it if you do not miss it.`,
    );
  } catch (error) {
    logger.error({ err: error }, `${path} is named by no record of this host, and could not be put aside`);
  }
}
