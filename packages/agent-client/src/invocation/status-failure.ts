import {
  type AgentRuntimeErrorOptions,
  conflicts,
  errorPayloadSchema,
  headers,
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
import { readText } from './read-text.js';

/** An error body is read so far and no further. */
const maxErrorBytes = 256 * 1024;

/** What a gateway says when it is the gateway that refuses: E2B's, PPIO's and our own host's body. */
const gatewayBodySchema = z.looseObject({ message: z.string() });

const issueSchema = z.looseObject({ path: z.array(z.union([z.string(), z.number()])), message: z.string() });

/** Statuses that a busy or broken server in between answers with. */
const passing = new Set([408, 429, 502, 503, 504]);

/** Reads an answer of status 300 or more, tells who said it, and what that means for the invocation. */
export async function fromStatus(
  response: TransportResponse,
  facts: AgentRuntimeErrorOptions,
): Promise<AttemptFailure> {
  const { status } = response;
  const text = await readText(response.body, maxErrorBytes).catch(() => '');
  const body = parse(text);
  const payload = errorPayloadSchema.safeParse(body).data;
  const said = payload?.error ?? gatewayBodySchema.safeParse(body).data?.message;
  const message = said ?? (text.slice(0, 200) || 'no reason given');
  const fromAgent = response.header(headers.runtimeInstance) !== undefined;
  const options = {
    ...facts,
    status,
    requestId: response.header(headers.requestId) ?? facts.requestId,
  };
  const retryAfterMs = parseRetryAfter(response.header('retry-after'));
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
  if (status === 409 && payload?.error_type === conflicts.runtimeRestarted) {
    return failure('not_run', 'anywhere', true);
  }
  if (status === 410 && payload?.error_type === conflicts.invocationExpired)
    return failure('unknown', 'never');
  if (!passing.has(status)) return failure('failed', 'never');

  if (status === 502 && !fromAgent && /port is not open/i.test(message)) {
    const reason = 'The sandbox runs, but no agent listens on its port';
    return new AttemptFailure(
      new NetworkError(`${reason}: ${message}`, { ...options, retryable: true }),
      'anywhere',
    );
  }
  if (status === 502 && !fromAgent && /not found|is paused/i.test(message)) {
    return new AttemptFailure(new SessionNotFoundError(message, options), 'anywhere', {
      sandboxMissing: true,
    });
  }
  // Our runtime puts Retry-After on a refusal only; without it the status is the handler's own, hence an answer.
  if (fromAgent && retryAfterMs === undefined) return failure('failed', 'never');
  const outcome = fromAgent ? 'not_run' : 'unknown';
  const again = fromAgent ? 'anywhere' : 'with-key';
  if (status !== 429) return failure(outcome, again);
  const limited = new RateLimitError(message, { ...options, retryAfterMs, retryable: fromAgent });
  return new AttemptFailure(limited, again, { retryAfterMs });
}

/** Reads `Retry-After`: seconds or a date. @returns Milliseconds. */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function detailsOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'details' in body ? body.details : undefined;
}

function issuesOf(body: unknown): ValidationIssue[] {
  return z.array(issueSchema).safeParse(detailsOf(body)).data ?? [];
}
