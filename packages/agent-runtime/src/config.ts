import { ValidationError } from '@sandpiper/protocol';
// The small form of zod: this is a good part of what a Worker has to load.
import * as z from 'zod/mini';
import { environment } from './environment.js';

/** The configuration of an agent server; all of it optional (docs/wire-protocol.md, "Configuration"). */
export interface RuntimeConfig {
  /** The address to listen on. Default: `0.0.0.0`. */
  host?: string | undefined;
  /** The port to listen on; 0 takes any free one. Default: 8080. */
  port?: number | undefined;
  /** Sends stacks to the caller, and logs at level `debug`. Default: false. */
  debug?: boolean | undefined;
  /** `envelope` wraps a result as `{result, status, …}`; `raw` sends it bare, as AgentCore does. Default: `envelope`. */
  responseFormat?: 'envelope' | 'raw' | undefined;
  /** How long one invocation may take, in milliseconds; 0 = for ever. Default: 300,000. */
  timeoutMs?: number | undefined;
  /** The largest request body, in bytes. Default: 1 MiB. */
  maxRequestBytes?: number | undefined;
  /** The same as `maxRequestBytes`, which wins. */
  maxRequestSize?: number | undefined;
  /** How many invocations may run at once; one more gets 503. Default: no limit. */
  maxConcurrency?: number | undefined;
  /** After how many milliseconds of silence a stream carries a heartbeat. Default: 15,000. */
  heartbeatMs?: number | undefined;
  /** How many bytes may wait for a reader that is slower than its stream, before the stream stops. Default: 16 KiB. */
  streamBufferBytes?: number | undefined;
  /** How long an invocation with a key goes on when its caller is gone, in milliseconds. Default: 30,000. */
  resumeGraceMs?: number | undefined;
  /** How long shutdown waits for running invocations, in milliseconds, before it aborts them. Default: 25,000. */
  shutdownGraceMs?: number | undefined;
  /** How much of past invocations is remembered, for callers that ask again. */
  retention?: RetentionConfig | undefined;
  /** Which origins a browser may call from; `*` is any. Default: `['*']`. */
  corsOrigins?: readonly string[] | undefined;
  /** Whether `GET /metrics` is served. Default: true. */
  enableMetrics?: boolean | undefined;
  /** What a request must show, on everything but `/ping`. Default: nothing. */
  auth?: AuthConfig | undefined;
}

/** What a request must show: a secret that both sides know, or a signed token. */
export type AuthConfig =
  | {
      /** Compared with `Authorization: Bearer …`. */
      bearerToken: string;
    }
  | { jwt: JwtConfig };

/** How a JSON Web Token is judged; it comes as `Authorization: Bearer …` or, from a gateway, as `X-Gateway-Token`. */
export interface JwtConfig {
  /** The signer's public key, as PEM (SPKI). This or `jwks`. */
  publicKey?: string | undefined;
  /** The URL of the signer's key set. This or `publicKey`. */
  jwks?: string | undefined;
  /** Who must have issued it. */
  issuer?: string | undefined;
  /** Whom it must be for. */
  audience?: string | undefined;
}

/** Bounds of the responses that are kept; whichever is reached first. Keys stay known for longer: see docs/runtime.md. */
export interface RetentionConfig {
  /** How many invocations; when there is one more, the oldest sixteenth is forgotten. Default: 1,000. */
  count?: number | undefined;
  /** How many bytes of results and events. Default: 64 MiB. */
  bytes?: number | undefined;
  /** How long after its end, in milliseconds. Default: 300,000. */
  ms?: number | undefined;
}

/** A {@link RuntimeConfig} with its defaults filled in. */
export interface ResolvedConfig {
  host: string;
  port: number;
  debug: boolean;
  responseFormat: 'envelope' | 'raw';
  timeoutMs: number;
  maxRequestBytes: number;
  maxConcurrency: number;
  heartbeatMs: number;
  streamBufferBytes: number;
  resumeGraceMs: number;
  shutdownGraceMs: number;
  retention: { count: number; bytes: number; ms: number };
  corsOrigins: readonly string[];
  enableMetrics: boolean;
  auth?: AuthConfig | undefined;
}

// A longer timer would overflow, and fire at once.
const longestTimerMs = 2 ** 31 - 1;
const whole = (min: number, max = Number.MAX_SAFE_INTEGER): z.ZodMiniType<number> =>
  z.coerce.number().check(z.int(), z.minimum(min), z.maximum(max));
const milliseconds = (min = 0): z.ZodMiniType<number> => whole(min, longestTimerMs);
const flag: z.ZodMiniType<boolean> = z.union([z.boolean(), z.stringbool()]);
const text = z.string().check(z.minLength(1));

const configSchema: z.ZodMiniType<ResolvedConfig> = z.strictObject({
  host: z._default(text, '0.0.0.0'),
  port: z._default(whole(0, 65_535), 8080),
  debug: z._default(flag, false),
  responseFormat: z._default(z.enum(['envelope', 'raw']), 'envelope'),
  timeoutMs: z._default(milliseconds(), 300_000),
  maxRequestBytes: z._default(whole(1), 1024 * 1024),
  // The largest count there is, for "no limit": zod takes no infinity for a number.
  maxConcurrency: z._default(whole(1), Number.MAX_SAFE_INTEGER),
  heartbeatMs: z._default(milliseconds(1), 15_000),
  // Below this a connection would crawl: it is the buffer of what comes in, too.
  streamBufferBytes: z._default(whole(1024), 16 * 1024),
  resumeGraceMs: z._default(milliseconds(), 30_000),
  shutdownGraceMs: z._default(milliseconds(), 25_000),
  retention: z.prefault(
    z.strictObject({
      count: z._default(whole(0), 1000),
      bytes: z._default(whole(0), 64 * 1024 * 1024),
      ms: z._default(milliseconds(), 300_000),
    }),
    {},
  ),
  corsOrigins: z._default(z.readonly(z.array(z.string())), ['*']),
  enableMetrics: z._default(flag, true),
  auth: z.optional(
    z.union([
      z.strictObject({ bearerToken: text }),
      z.strictObject({
        jwt: z
          .strictObject({
            publicKey: z.optional(z.string()),
            jwks: z.optional(z.url()),
            issuer: z.optional(z.string()),
            audience: z.optional(z.string()),
          })
          .check(
            z.refine((jwt) => Boolean(jwt.publicKey) !== Boolean(jwt.jwks), 'needs a publicKey or a jwks'),
          ),
      }),
    ]),
  ),
});

/** Fills in what an option leaves open: from the environment, then from the defaults (docs/wire-protocol.md, "Configuration"). */
export function resolveConfig({ maxRequestSize, ...config }: RuntimeConfig): ResolvedConfig {
  const options = { ...config, maxRequestBytes: config.maxRequestBytes ?? maxRequestSize };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const { values, variables } = fromEnvironment();
  const parsed = configSchema.safeParse({ ...values, ...given });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => ({
    path: issue.path.map(String),
    message: issue.message,
  }));
  const list = issues.map(({ path, message }) => {
    const [option = ''] = path;
    // The variable that was set, or else the one that could be.
    const variable = Object.hasOwn(given, option) ? variableOf(option) : variables[option];
    const name = path.join('.');
    if (!name) return message;
    return `${name}${variable ? ` (${variable})` : ''}: ${message}`;
  });
  throw new ValidationError(`The runtime's configuration is wrong: ${list.join('; ')}`, { issues });
}

const scalars = [
  'host',
  'port',
  'debug',
  'responseFormat',
  'timeoutMs',
  'maxRequestBytes',
  'maxConcurrency',
  'heartbeatMs',
  'streamBufferBytes',
  'resumeGraceMs',
  'shutdownGraceMs',
  'enableMetrics',
] as const;

/** `timeoutMs` is set by `AGENT_RUNTIME_TIMEOUT_MS`; undefined for what no single variable sets. */
function variableOf(option: string): string | undefined {
  if (option === 'auth') return 'AGENT_RUNTIME_AUTH_*';
  if (option !== 'corsOrigins' && !scalars.some((scalar) => scalar === option)) return undefined;
  return `AGENT_RUNTIME_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

interface FromEnvironment {
  readonly values: Record<string, unknown>;
  /** Which variable each value is of. */
  readonly variables: Record<string, string>;
}

function fromEnvironment(): FromEnvironment {
  const env = environment();
  const found: FromEnvironment = { values: {}, variables: {} };
  const set = (
    option: string,
    variable: string | undefined,
    read = (text: string): unknown => text,
  ): void => {
    const text = variable && env[variable];
    // An empty variable is how a shell or a manifest says "not set".
    if (!text) return;
    found.values[option] = read(text);
    found.variables[option] = variable;
  };
  // Seconds, as the Python SDK counts.
  const seconds = (text: string): number => Number(text) * 1000;
  // The later goes before the earlier.
  set('port', 'PORT');
  set('host', 'PPIO_AGENT_HOST');
  set('port', 'PPIO_AGENT_PORT');
  set('debug', 'PPIO_AGENT_DEBUG');
  set('timeoutMs', 'PPIO_AGENT_TIMEOUT', seconds);
  set('timeoutMs', 'AGENT_RUNTIME_TIMEOUT', seconds);
  set('maxRequestBytes', 'AGENT_RUNTIME_MAX_REQUEST_SIZE');
  for (const option of scalars) set(option, variableOf(option));
  set('corsOrigins', variableOf('corsOrigins'), (text) => text.split(',').map((origin) => origin.trim()));
  const auth = authFrom(env);
  if (auth) {
    found.values.auth = auth;
    found.variables.auth = String(variableOf('auth'));
  }
  return found;
}

function authFrom(env: Record<string, string | undefined>): unknown {
  const { AGENT_RUNTIME_AUTH_TOKEN: bearerToken } = env;
  if (bearerToken) return { bearerToken };
  // A PEM has lines, which a variable often cannot: they may be written as \n.
  const publicKey = env.AGENT_RUNTIME_AUTH_JWT_PUBLIC_KEY?.replaceAll('\\n', '\n') || undefined;
  const jwks = env.AGENT_RUNTIME_AUTH_JWT_JWKS || undefined;
  if (!publicKey && !jwks) return undefined;
  const issuer = env.AGENT_RUNTIME_AUTH_JWT_ISSUER || undefined;
  const audience = env.AGENT_RUNTIME_AUTH_JWT_AUDIENCE || undefined;
  return { jwt: { publicKey, jwks, issuer, audience } };
}
