import { ValidationError, type ValidationIssue } from '@sandpiper/protocol';
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

const retries = { maxRetries: z.int().min(0).optional(), onRetry: callback };
const callClocks = { firstByteTimeoutMs: limit, idleTimeoutMs: limit };

const clientSchema = z.strictObject({
  apiKey: z.string().optional(),
  domain: z.string().min(1).optional(),
  apiUrl: z.url().optional(),
  sandboxUrl: z.url().optional(),
  timeoutMs: limit,
  config: z
    .strictObject({
      ...retries,
      ...callClocks,
      retryDelayMs: limit,
      maxConnections: count,
      keepAliveTimeoutMs: duration,
      connectTimeoutMs: limit,
      requestTimeoutMs: limit,
      readyTimeoutMs: duration,
      maxResponseBytes: count,
      logger: z.looseObject({}).optional(),
    })
    .optional(),
});

const callSchema = z.looseObject({
  ...retries,
  ...callClocks,
  timeoutMs: limit,
  idempotencyKey: id.optional(),
  requestId: id.optional(),
  headers: z.record(headerName, headerValue).optional(),
});

const sessionSchema = z.looseObject({
  timeoutMs: duration,
  readyTimeoutMs: duration,
  runtimeSessionId: z.string().min(1).optional(),
  idempotencyKey: z.string().min(1).optional(),
});

/** @throws ValidationError that names the option. */
export function checkClientOptions(options: object): void {
  check(clientSchema, options, 'AgentRuntimeClient');
}

/** @throws ValidationError that names the option. */
export function checkCallOptions(options: object): void {
  // On every call's way: most have no options.
  if (Object.keys(options).length > 0) check(callSchema, options, 'the call');
}

/** @throws ValidationError that names the option. */
export function checkSessionOptions(options: object): void {
  check(sessionSchema, options, 'the session');
}

/** @throws ValidationError when it is none, as an unset environment variable is. */
export function checkName(name: string, value: unknown): void {
  if (typeof value === 'string' && value !== '') return;
  throw new ValidationError(`${name} must be a text that is not empty, not ${JSON.stringify(value)}.`);
}

function check(schema: z.ZodType, options: object, whose: string): void {
  const { error } = schema.safeParse(options);
  if (!error) return;
  const issues = error.issues.map(
    ({ path, message }): ValidationIssue => ({
      path: path.map((step) => (typeof step === 'number' ? step : String(step))),
      message,
    }),
  );
  const told = issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`).join('; ');
  throw new ValidationError(`The options of ${whose} are not valid: ${told}`, { issues });
}
