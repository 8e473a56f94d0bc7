import * as z from 'zod';

/** What a sandbox may keep when nothing is said, in megabytes: as much as with E2B. */
export const defaultDiskMB = 10_240;

/** What can be asked for: from what holds a file system to 16 TiB, in megabytes. */
export const diskMBSchema: z.ZodNumber = z
  .int()
  .min(64)
  .max(16 * 2 ** 20);
