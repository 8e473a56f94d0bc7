import type { Logger } from '@sandpiper/sandbox-engine/logger';
import * as z from 'zod';
import { type PoolOption, poolSizeSchema } from '../pools/pools.js';
import type { IdlePolicy } from '../sandboxes/deadlines.js';
import type { TlsCertificate } from '../server/certificate.js';
import type { Isolation } from './open-engine.js';

/** How a sandbox host is to run. */
export interface SandboxHostOptions {
  /** The port it listens on. Default: any free one. */
  port?: number;
  /** The address it listens on. Default: 127.0.0.1, so that nobody else on the network can reach it. */
  host?: string;
  /**
   * Where templates are kept from one start to the next, and the files of sandboxes while they live.
   * Default: a temporary directory, removed by `close`.
   */
  dataDir?: string;
  /** The key callers must show. Default: a new one, kept in `dataDir` for the next time. */
  apiKey?: string;
  /** How sandboxes are kept apart. Default: `namespaces` where this machine and user can make them. */
  isolation?: Isolation;
  /**
   * The size in MB of the swap file the host makes in `dataDir` while it runs, so that paused sandboxes can give back
   * their memory. Needs root. Default: none; the machine's own swap is used if it has some.
   */
  swapFileMB?: number;
  /**
   * A sandbox this old ends, whether it runs or is paused; timeouts beyond it are refused or cut short.
   * In milliseconds. Default: none.
   */
  maxAgeMs?: number;
  /**
   * How long the start command and the commands of a sandbox that ends have to end by themselves, between SIGTERM and
   * SIGKILL; a kill takes that long where they do not. In milliseconds, at most 60,000; 0: SIGKILL at once. Default: 5,000.
   */
  stopGraceMs?: number;
  /** A sandbox that was paused this long ago gives back its memory, where this machine can. Default: never. */
  hibernateAfterMs?: number;
  /**
   * What becomes of sandboxes in which nothing has happened for a time, besides their timeout; each can have a
   * policy of its own. Default: nothing, as with E2B.
   */
  idle?: IdlePolicy;
  /**
   * Serves HTTPS: with this certificate, or with a self-signed one for `domain`, this machine's loopback names and
   * `host`, which is kept in `dataDir` and which callers are to trust (`SandboxHost.certificate`). Default: HTTP.
   */
  tls?: true | TlsCertificate;
  /**
   * The name under which ports of sandboxes are reached as `https://<port>-<id>.<domain>`, as E2B's SDK does by
   * itself, and the control plane as `https://api.<domain>`. `*.<domain>` must lead here, in HTTPS: by `tls`, or by
   * a proxy in front, whose port the domain then has at its end unless it is 443. Default: none; requests name
   * their sandbox by headers.
   */
  domain?: string;
  /**
   * How many sandboxes of a template wait with their agent started, by the template's name; those set by
   * `PUT /x/pools/{template}` at an earlier start are kept besides. Default: none.
   */
  pools?: Record<string, PoolOption>;
  /**
   * Which template stands for an image of a registry, such as `{ 'ubuntu:22.04': 'base' }`: this host runs no images,
   * and refuses to build from one that is not named here. A name without a tag means `latest`, as Docker has it.
   * Default: only the image E2B's SDK starts from by itself, for which `base` stands.
   */
  images?: Record<string, string>;
  /**
   * What has to be free on the disk of `dataDir` for a sandbox to be created or anything to be built, in MB; 0: nothing.
   * Below it both are a 507. Default: 256.
   */
  minFreeDiskMb?: number;
  /** Whether `GET /metrics` is answered without the API key. Default: false. */
  openMetrics?: boolean;
  /**
   * Where the host's own log goes: a pino logger as it is, or anything with `debug`, `info`, `warn` and `error` that take
   * fields, then a message (errors are in the field `err`). Default: lines for people on the console.
   */
  logger?: Logger;
}

const levels = ['debug', 'info', 'warn', 'error'] as const;
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
  logger: z.custom<Logger>(
    (value) => levels.every((level) => typeof Reflect.get(Object(value), level) === 'function'),
    `must have the methods ${levels.join(', ')}`,
  ),
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
    const got = ['apiKey', 'tls', 'logger'].includes(String(issue.path[0]))
      ? ''
      : `, got ${JSON.stringify(value) ?? String(value)}`;
    return `${name}: ${issue.message}${got}`;
  });
  throw new TypeError(`Invalid options of createSandboxHost: ${problems.join('; ')}.`);
}
