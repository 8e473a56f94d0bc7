import * as z from 'zod';

/** A path below the run's folder, and nowhere else. */
const path = z
  .string()
  .max(255)
  .regex(/^(?!.*(^|\/)\.{1,2}(\/|$))[^/\0][^\0]*$/, 'must be a relative path without "." and ".."');

/** What a run is asked to do. */
export const requestSchema = z.strictObject({
  language: z.enum(['python', 'node']),
  code: z.string().min(1),
  /** Files for the code to find in its folder. */
  files: z
    .array(z.strictObject({ path, base64: z.base64() }))
    .max(32)
    .default([]),
  /** What the code reads from its standard input. */
  stdin: z.string().default(''),
  limits: z
    .strictObject({
      /** How long it may take. */
      timeoutMs: z.int().min(1).max(300_000).default(30_000),
      /** How much memory each of its processes may write to. */
      memoryMB: z.int().min(64).max(4_096).default(512),
      /** How many processes and threads it may have. */
      processes: z.int().min(16).max(512).default(64),
      /** How much it may write to its standard output and error, together. */
      outputBytes: z.int().min(1).max(16_777_216).default(1_048_576),
    })
    .prefault({}),
});

export type RunRequest = z.output<typeof requestSchema>;
export type Limits = RunRequest['limits'];
