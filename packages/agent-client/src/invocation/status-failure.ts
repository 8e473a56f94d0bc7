import {
  type AgentRuntimeErrorOptions,
  errorPayloadSchema,
  headers,
  isRefusal,
  refusals,
  ValidationError,
  type ValidationIssue,
} from '@sandpiper/protocol';
import * as z from 'zod';
import { describeBody } from '../describe-body.js';
import { AuthenticationError } from '../errors/authentication-error.js';
import { InvocationError, type InvocationOutcome } from '../errors/invocation-error.js';
import { RateLimitError } from '../errors/rate-limit-error.js';
import type { TransportResponse } from '../transport/transport.js';
import { type Again, AttemptFailure, type FailureHints } from './attempt-failure.js';
import { parseOrText } from './decode/parse-or-text.js';
import { gatewayFailure } from './gateway-failure.js';
import { readStart } from './read-text.js';
import type { Sender } from './response-sender.js';
import { parseRetryAfter } from './retry-after.js';
import { strayFailure } from './stray-failure.js';
import { fromTransport } from './transport-failure.js';

/** An error body is read so far and no further. */
const maxErrorBytes = 256 * 1024;

const issueSchema = z.looseObject({ path: z.array(z.union([z.string(), z.number()])), message: z.string() });

/** Statuses that a busy or broken server in between answers with. */
const passing = new Set([408, 502, 503, 504]);

/** bedrock-agentcore 0.4.4 loses its own words, those for a missing session too, once `Accept` names an event stream. */
const aboutAgentCore =
  'An AgentCore app sends an empty 500 for any error before its first event, a refused request among them: its log says which.';

/** What is known of a request whose response is read. */
export interface Exchange {
  facts: AgentRuntimeErrorOptions;
  sender: Sender;
  /** The process that `If-Runtime-Instance` named. */
  sentTo?: string | undefined;
}

/** Reads a response of status 300 or more, and says what it means for the invocation, by who sent it. */
export async function fromStatus(
  response: TransportResponse,
  { facts, sender, sentTo }: Exchange,
): Promise<AttemptFailure> {
  const { status } = response;
  const { text, brokenBy } = await readStart(response.body, maxErrorBytes);
  // The runtime keeps the rest of what it said, and without it nobody can say whether the handler failed or never ran.
  const broken = sender === 'runtime' ? fromTransport(brokenBy, facts) : undefined;
  if (broken instanceof AttemptFailure) return broken;
  const body = parseOrText(text);
  const options = { ...facts, status, requestId: response.header(headers.requestId) ?? facts.requestId };
  if (sender !== 'runtime') {
    const gateway = gatewayFailure(status, body, options);
    if (gateway) return gateway;
  }
  if (sender === 'stray') return strayFailure(response, text, options);

  const payload = errorPayloadSchema.safeParse(body).data;
  const message = payload?.error ?? describe(response, text);
  const errorType = payload?.error_type;
  const retryAfterMs = parseRetryAfter(response.header('retry-after'));
  const failure = (outcome: InvocationOutcome, again: Again, hints: FailureHints = {}): AttemptFailure => {
    const details = detailsOf(body);
    const retryable = again === 'anywhere';
    const error = new InvocationError(message, { ...options, outcome, retryable, errorType, details });
    return new AttemptFailure(error, again, hints);
  };
  const refused = (): AttemptFailure =>
    new AttemptFailure(new AuthenticationError(`The agent refused the caller: ${message}`, options), 'never');

  if (status === 400 && errorType === 'ValidationError') {
    return new AttemptFailure(new ValidationError(message, { ...options, issues: issuesOf(body) }), 'never');
  }
  if (sender === 'runtime') {
    const restarted = errorType === refusals.runtimeRestarted;
    // The raw family has no error_type; that another process answers than was named says the same.
    const elsewhere = sentTo !== undefined && response.header(headers.runtimeInstance) !== sentTo;
    if (status === 409 && (restarted || elsewhere)) {
      return failure('not_run', 'anywhere', { runtimeRestarted: true });
    }
    // Whatever the status of what a handler threw: it is the agent's failure, and no word about the caller.
    if (errorType === undefined || !isRefusal(errorType)) return failure('failed', 'never');
    if (errorType === refusals.unauthenticated) return refused();
    if (errorType === refusals.unavailable) return failure('not_run', 'anywhere', { retryAfterMs });
    if (errorType !== refusals.invocationExpired) return failure('not_run', 'never');
    return new AttemptFailure(expired(message, options), 'never');
  }
  // With the name of an error it is an agent's own; without, nobody can tell it from a gateway's.
  if (errorType === undefined) {
    if (status === 401 || status === 403) return refused();
    if (status === 429) {
      return new AttemptFailure(new RateLimitError(message, { ...options, retryAfterMs }), 'never');
    }
  }
  return passing.has(status) ? failure('unknown', 'with-key', { retryAfterMs }) : failure('failed', 'never');
}

function expired(said: string, options: AgentRuntimeErrorOptions): InvocationError {
  return new InvocationError(
    `It is not known how invocation ${options.invocationId} ended: the agent does not keep its response any more, and does not run it again. ${said}`,
    { ...options, outcome: 'unknown', errorType: refusals.invocationExpired },
  );
}

/** Says what there is to say of a response that does not explain itself. */
function describe(response: TransportResponse, text: string): string {
  const { status } = response;
  const location = response.header('location');
  if (status < 400) {
    return `The agent answered ${status}${location ? ` to ${location.split('?')[0]}` : ''}: redirects are not followed. Check \`sandboxUrl\`, or the agent's own routes.`;
  }
  const said = `The agent, or a gateway before it, answered ${status}${describeBody(text)}.`;
  return status === 500 && text === '' ? `${said} ${aboutAgentCore}` : said;
}

function detailsOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'details' in body ? body.details : undefined;
}

function issuesOf(body: unknown): ValidationIssue[] {
  return z.array(issueSchema).safeParse(detailsOf(body)).data ?? [];
}
