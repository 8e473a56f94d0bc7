import { invocationKeyProblem, ValidationError, type ValidationIssue } from '@sandpiper/protocol';
import * as z from 'zod';

/** The longest that a timer can run, in milliseconds; a longer one would fire at once. */
export const longestMs: number = 2 ** 31 - 1;

const limit = z.number().min(0).max(longestMs).optional();
const duration = z.number().min(1).max(longestMs).optional();
const count = z.int().min(1).optional();
const callback = z.custom((value) => typeof value === 'function', 'must be a function').optional();

/** What a header may carry (RFC 9110, section 5.5), and what of that a name is made of. */
const headerValue = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'has characters that a header cannot carry');
const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'is no name for a header');
const id = z
  .string()
  .regex(/^[\x21-\x7e]{1,256}$/, 'must be 1 to 256 printable ASCII characters, without spaces');
const invocationKey = id.check(({ value, issues }) => {
  const message = invocationKeyProblem(value);
  if (message) issues.push({ code: 'custom', input: value, message });
});

const retries = { maxRetries: z.int().min(0).optional(), onRetry: callback };
const callClocks = { firstByteTimeoutMs: limit, idleTimeoutMs: limit };

const levels = ['debug', 'info', 'warn', 'error'] as const;

const clientConfig = {
  ...retries,
  ...callClocks,
  retryDelayMs: limit,
  maxConnections: count,
  keepAliveTimeoutMs: duration,
  connectTimeoutMs: limit,
  requestTimeoutMs: limit,
  readyTimeoutMs: duration,
  maxResponseBytes: count,
  logger: z
    .custom(
      (value) => levels.every((level) => typeof Reflect.get(Object(value), level) === 'function'),
      `must have the methods ${levels.join(', ')}`,
    )
    .optional(),
};

const clientSchema = z.strictObject({
  apiKey: z.string().optional(),
  domain: z.string().min(1).optional(),
  apiUrl: z.url().optional(),
  sandboxUrl: z.url().optional(),
  timeoutMs: limit,
  ...clientConfig,
  config: z.strictObject(clientConfig).optional(),
});

const signal = z
  .custom(
    (value) => typeof Reflect.get(Object(value), 'throwIfAborted') === 'function',
    'must be an AbortSignal',
  )
  .optional();

const text = z.string().min(1);
const texts = z.record(text, z.string()).optional();

/** A life is not a call's time: the old name would set the other clock. */
const timeoutMs = z
  .undefined({ error: 'is how long a call may take; how long a sandbox lives is `lifetimeMs`' })
  .optional();

const behaviour = {
  lifetimeMs: duration,
  timeoutMs,
  autoResume: z.boolean().optional(),
  keepAlive: z.boolean().optional(),
};

const sandboxConfig = z.strictObject({
  lifetimeMs: duration,
  timeoutMs,
  memoryLimit: text.optional(),
  cpuLimit: text.optional(),
  envVars: texts,
  volumes: z.array(z.strictObject({ name: text, path: text })).optional(),
  ports: z.array(z.int().min(1).max(65_535)).min(1).optional(),
});

/** Whose options. */
type OptionsOf =
  | 'AgentRuntimeClient'
  | 'call'
  | 'createSession'
  | 'getSession'
  | 'pause'
  | 'refresh'
  | 'reap'
  | 'listTemplates';

/** What each method takes. An option that none knows is a typing error of somebody who relies on it. */
const schemas: Record<OptionsOf, z.ZodType> = {
  AgentRuntimeClient: clientSchema,
  call: z.strictObject({
    ...retries,
    ...callClocks,
    timeoutMs: limit,
    idempotencyKey: invocationKey.optional(),
    requestId: id.optional(),
    headers: z.record(headerName, headerValue).optional(),
    signal,
  }),
  createSession: z.strictObject({
    ...behaviour,
    readyTimeoutMs: duration,
    runtimeSessionId: text.regex(/^\P{Surrogate}+$/u, 'must be well-formed text').optional(),
    idempotencyKey: text.optional(),
    envVars: texts,
    metadata: texts,
    config: sandboxConfig.optional(),
    signal,
  }),
  getSession: z.strictObject({ ...behaviour, signal }),
  pause: z.strictObject({ keepMemory: z.boolean().optional(), signal }),
  refresh: z.strictObject({ lifetimeMs: duration, timeoutMs, signal }),
  reap: z.strictObject({ olderThanMs: z.number().min(0).optional() }),
  listTemplates: z.strictObject({
    tags: z.array(z.string()).optional(),
    nameFilter: z.string().optional(),
    signal,
  }),
};

/** @throws ValidationError that names the option. */
export function checkOptions(of: OptionsOf, options: object): void {
  // On every call's way, and most have none.
  if (Object.keys(options).length === 0) return;
  const { error } = schemas[of].safeParse(options);
  if (!error) return;
  const issues = error.issues.map(
    ({ path, message }): ValidationIssue => ({
      path: path.map((step) => (typeof step === 'number' ? step : String(step))),
      message,
    }),
  );
  const details = issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`).join('; ');
  throw new ValidationError(`The options of ${of} are not valid: ${details}`, { issues });
}

/** @throws ValidationError when it is none, as an unset environment variable is. */
export function checkName(name: string, value: unknown): void {
  if (typeof value === 'string' && value !== '') return;
  throw new ValidationError(`${name} must be a text that is not empty, not ${JSON.stringify(value)}.`);
}
