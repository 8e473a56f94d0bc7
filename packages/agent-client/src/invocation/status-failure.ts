import {
  type AgentRuntimeErrorOptions,
  errorPayloadSchema,
  headers,
  refusals,
  ValidationError,
  type ValidationIssue,
} from '@sandpiper/protocol';
import * as z from 'zod';
import { AuthenticationError } from '../errors/authentication-error.js';
import { InvocationError, type InvocationOutcome } from '../errors/invocation-error.js';
import { NetworkError } from '../errors/network-error.js';
import { RateLimitError } from '../errors/rate-limit-error.js';
import { SessionNotFoundError } from '../errors/session-not-found-error.js';
import type { TransportResponse } from '../transport/transport.js';
import { type Again, AttemptFailure } from './attempt-failure.js';
import { parseOrText } from './decode/parse-or-text.js';
import { readStart } from './read-text.js';

/** An error body is read so far and no further. */
const maxErrorBytes = 256 * 1024;

/** What is said in a gateway's own words: E2B's, PPIO's and our own host's. */
const gatewayBodySchema = z.looseObject({ sandboxId: z.string().optional(), message: z.string() });
const gatewaySentences = {
  portClosed: /^The sandbox is running but port is not open\.?$/i,
  sandboxMissing: /^The sandbox (was not found|is paused)\.?$/i,
};

const issueSchema = z.looseObject({ path: z.array(z.union([z.string(), z.number()])), message: z.string() });

/** Statuses that a busy or broken server in between answers with. */
const passing = new Set([408, 429, 502, 503, 504]);

/**
 * Reads an answer of status 300 or more, tells who said it, and what that means for the invocation.
 *
 * @param sentTo - The process that `If-Runtime-Instance` named.
 */
export async function fromStatus(
  response: TransportResponse,
  facts: AgentRuntimeErrorOptions,
  sentTo?: string,
): Promise<AttemptFailure> {
  const { status } = response;
  const text = await readStart(response.body, maxErrorBytes);
  const body = parseOrText(text);
  const payload = errorPayloadSchema.safeParse(body).data;
  const answeredBy = response.header(headers.runtimeInstance);
  const gateway = answeredBy === undefined && !payload ? gatewayBodySchema.safeParse(body).data : undefined;
  const message = payload?.error ?? gateway?.message ?? describe(response, text);
  const retryAfterMs = parseRetryAfter(response.header('retry-after'));
  const options = {
    ...facts,
    status,
    requestId: response.header(headers.requestId) ?? facts.requestId,
  };
  const failure = (outcome: InvocationOutcome, again: Again, runtimeRestarted = false): AttemptFailure =>
    new AttemptFailure(
      new InvocationError(message, {
        ...options,
        outcome,
        retryable: outcome === 'not_run',
        errorType: payload?.error_type,
        details: detailsOf(body),
      }),
      again,
      { retryAfterMs, runtimeRestarted },
    );

  if (status === 401 || status === 403) {
    return new AttemptFailure(
      new AuthenticationError(`The agent or its gateway refused: ${message}`, options),
      'never',
    );
  }
  if (status === 400 && payload?.error_type === 'ValidationError') {
    return new AttemptFailure(new ValidationError(message, { ...options, issues: issuesOf(body) }), 'never');
  }
  // The raw family has no error_type; that another process answers than was named says the same.
  const elsewhere = sentTo !== undefined && answeredBy !== undefined && answeredBy !== sentTo;
  if (status === 409 && (elsewhere || payload?.error_type === refusals.runtimeRestarted)) {
    return failure('not_run', 'anywhere', true);
  }
  if (status === 410 && payload?.error_type === refusals.invocationExpired) {
    return failure('unknown', 'never');
  }
  if (!passing.has(status)) return failure('failed', 'never');

  // Whatever else says so may be the agent, quoting others: then it has run.
  const aboutOurs = gateway?.sandboxId === undefined || gateway.sandboxId.startsWith(facts.sandboxId ?? '');
  if (status === 502 && gateway && aboutOurs) {
    if (gatewaySentences.portClosed.test(message)) {
      const silent = `No agent listens in the sandbox: ${message}`;
      return new AttemptFailure(new NetworkError(silent, { ...options, retryable: true }), 'anywhere');
    }
    if (gatewaySentences.sandboxMissing.test(message)) {
      return new AttemptFailure(new SessionNotFoundError(message, options), 'anywhere', {
        sandboxMissing: true,
      });
    }
  }
  // Without the runtime's own words the status is the handler's, hence an answer.
  const refused = retryAfterMs !== undefined && payload?.error_type === refusals.unavailable;
  if (answeredBy !== undefined && !refused && status !== 429) return failure('failed', 'never');
  const outcome = refused ? 'not_run' : answeredBy === undefined ? 'unknown' : 'failed';
  const again = refused ? 'anywhere' : answeredBy === undefined ? 'with-key' : 'never';
  if (status !== 429) return failure(outcome, again);
  return new AttemptFailure(new RateLimitError(message, { ...options, retryAfterMs }), again, {
    retryAfterMs,
  });
}

/** Says what there is to say of an answer that does not explain itself. */
function describe(response: TransportResponse, text: string): string {
  const { status } = response;
  const location = response.header('location');
  if (status < 400) {
    return `The agent answered ${status}${location ? ` to ${location.split('?')[0]}` : ''}: redirects are not followed. Check \`sandboxUrl\`, or the agent's own routes.`;
  }
  const words = text.replaceAll(/<[^>]*>|\s+/g, ' ').trim();
  return `The agent, or a gateway before it, answered ${status}${words && words !== '{}' ? `: ${words.slice(0, 200)}` : ' and gave no reason'}.`;
}

/** Reads `Retry-After`: seconds or a date. @returns Milliseconds. */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function detailsOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'details' in body ? body.details : undefined;
}

function issuesOf(body: unknown): ValidationIssue[] {
  return z.array(issueSchema).safeParse(detailsOf(body)).data ?? [];
}
