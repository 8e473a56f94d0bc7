import * as z from 'zod';
import { poolSizeSchema } from '../pools/pools.js';
import type { SandboxHostOptions } from './create-host.js';

const milliseconds = z.number().positive();
const fields = {
  port: z.int().min(0).max(65_535),
  host: z.string().min(1),
  dataDir: z.string().min(1),
  apiKey: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must have characters and no blanks: an empty key would let everybody in'),
  isolation: z.enum(['namespaces', 'none']),
  swapFileMB: z.int().min(0),
  maxAgeMs: milliseconds,
  hibernateAfterMs: milliseconds,
  stopGraceMs: z.number().min(0).max(60_000),
  idle: z.strictObject({ idleMs: milliseconds, action: z.enum(['pause', 'kill', 'hibernate']) }),
  tls: z.union([z.boolean(), z.strictObject({ key: z.string().min(1), cert: z.string().min(1) })]),
  domain: z
    .string()
    .regex(
      /^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?$/i,
      'must be a host name, with a port if need be, and no scheme or path',
    ),
  pools: z.record(z.string(), z.unknown().refine(...poolProblem())),
  // The map checks its entries, in the words of images.
  images: z.record(z.string(), z.string()),
  openMetrics: z.boolean(),
  minFreeDiskMb: z.number().min(0),
} satisfies Record<keyof SandboxHostOptions, z.ZodType>;

const schema = z.strictObject(fields).partial();

function poolProblem(): [(size: unknown) => boolean, { error: string }] {
  return [
    (size) =>
      z.strictObject({ min: z.unknown(), max: z.unknown().optional() }).safeParse(size).success &&
      poolSizeSchema.safeParse(size).success,
    { error: 'must be { min, max? } of whole numbers, min at most max' },
  ];
}

/** @throws TypeError that names each option that is not understood, with its value and what is allowed. */
export function checkHostOptions(options: SandboxHostOptions): void {
  const checked = schema.safeParse(options);
  if (checked.success) return;
  const problems = checked.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const place = issue.path.length > 0 ? `${issue.path.join('.')}.` : '';
      const known = place === '' ? `; there are ${Object.keys(fields).join(', ')}` : '';
      return `${issue.keys.map((key) => place + key).join(', ')}: there is no such option${known}`;
    }
    const name = issue.path.join('.') || 'options';
    let value: unknown = options;
    for (const key of issue.path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
    // A key is no one's to read in a log.
    const got = ['apiKey', 'tls'].includes(String(issue.path[0]))
      ? ''
      : `, got ${JSON.stringify(value) ?? String(value)}`;
    return `${name}: ${issue.message}${got}`;
  });
  throw new TypeError(`Invalid options of createSandboxHost: ${problems.join('; ')}.`);
}
