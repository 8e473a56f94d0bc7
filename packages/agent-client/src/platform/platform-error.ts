import { AgentRuntimeError, type AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import * as e2b from 'e2b';
import { redact } from '../auth/redact.js';
import type { AgentClientError } from '../errors/agent-client-error.js';
import { AuthenticationError } from '../errors/authentication-error.js';
import { NetworkError } from '../errors/network-error.js';
import { QuotaExceededError } from '../errors/quota-exceeded-error.js';
import { RateLimitError } from '../errors/rate-limit-error.js';
import { TimeoutError } from '../errors/timeout-error.js';
import type { Platform } from './platform.js';
import { lastRetryAfterMs } from './rate-limits.js';

/** An answer of the control plane that is no success, where the SDK has no method and hence no error for it. */
export class PlatformAnswer extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, body: unknown) {
    const said: unknown =
      typeof body === 'string' && body !== '' ? body : Reflect.get(Object(body), 'message');
    super(typeof said === 'string' ? said : `status ${statusCode}`);
    this.name = 'PlatformAnswer';
    this.statusCode = statusCode;
  }
}

type ErrorClass = new (message: string, options: AgentRuntimeErrorOptions) => AgentClientError;

/** What was tried, for whom, and what it is called when it fails. */
export interface Attempted {
  /** For the message, as in `create a sandbox from template x`. */
  doing: string;
  notFound: ErrorClass;
  failed: ErrorClass;
  sandboxId?: string | undefined;
  /** The caller's: its reason is what an aborted operation fails with. */
  signal?: AbortSignal | undefined;
}

/** E2B answers 429 for both, others 403, and only the words tell a full account from a hurried or a refused one. */
const aboutQuota = /quota|maximum number|concurrent|limit of \d+/i;

/** Translates what the E2B SDK throws, so that no error of a dependency and no secret reaches a user. */
export function translate(error: unknown, attempted: Attempted, platform: Platform): unknown {
  if (AgentRuntimeError.isInstance(error)) return error;
  const { doing, notFound, failed, sandboxId, signal } = attempted;
  if (signal?.aborted) return signal.reason;
  const status = statusOf(error);
  const said = redact(reasonOf(error, status), platform.auth);
  const options = { sandboxId, status, cause: plainCause(error, said) };
  const message = `The platform could not ${doing}: ${said}`;
  switch (status) {
    case 401:
    case 403:
      if (status === 403 && aboutQuota.test(said)) return new QuotaExceededError(message, options);
      return new AuthenticationError(`${message}. Check \`apiKey\` (E2B_API_KEY, PPIO_API_KEY).`, options);
    case 402:
      return new QuotaExceededError(message, options);
    case 404:
      return new notFound(message, options);
    case 429:
      return aboutQuota.test(said)
        ? new QuotaExceededError(message, options)
        : new RateLimitError(message, {
            ...options,
            retryable: true,
            retryAfterMs: lastRetryAfterMs(platform.apiOrigin),
          });
    case 503:
      return new failed(message, { ...options, retryable: true });
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new TimeoutError('platform_timeout', `${message} The limit is \`requestTimeoutMs\`.`, options);
  }
  if (error instanceof TypeError && error.cause !== undefined) {
    const knobs = 'Check `apiUrl` and `domain` (E2B_API_URL, E2B_DOMAIN), and the network.';
    return new NetworkError(`${message}. ${knobs}`, { ...options, retryable: true });
  }
  return new failed(message, options);
}

/** The HTTP status behind an error of the SDK, where there was one. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof e2b.AuthenticationError) return 401;
  if (error instanceof e2b.NotFoundError) return 404;
  if (error instanceof e2b.RateLimitError) return 429;
  if (error instanceof e2b.ServiceBusyError) return 503;
  if (error instanceof e2b.SandboxError || error instanceof PlatformAnswer) return error.statusCode;
  return undefined;
}

/** What begins or ends an element of HTML. A parser's message quotes the start of what it could not read. */
const markup = /<[!?/a-z]/i;

/** `fetch failed` says nothing; what it was caused by does. A proxy's page says nothing to a program. */
function reasonOf(error: unknown, status: number | undefined): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof TypeError && error.cause instanceof Error) return error.cause.message;
  const which = status === undefined ? 'the response' : `the response with status ${status}`;
  if (markup.test(error.message)) return `${which} is not E2B's API: HTML page from a proxy`;
  // The SDK reads what is not there: a success without the JSON that belongs to it.
  const isMissing = error instanceof SyntaxError || (error instanceof TypeError && error.cause === undefined);
  const isSuccess = status !== undefined && status < 300;
  return isMissing || isSuccess
    ? `${which} is not E2B's API: it has not the JSON that was expected`
    : error.message;
}

/** Keeps what a cause says, and drops what it carries. */
function plainCause(error: unknown, said: string): Error {
  const plain = new Error(said);
  if (error instanceof Error) plain.name = error.name;
  return plain;
}
