import { describeError } from '../errors/describe-error.js';
import type { Call } from '../http/call.js';
import type { Reply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';
import { eventStreamHeaders, Frames } from '../stream/frames.js';
import { finalFrame, type ResponseFormat } from './envelope.js';
import type { Entry } from './ledger/entry.js';
import type { Answer, Outcome } from './outcome.js';
import { attach, expired, unlessRefused, valuesReply, type Wishes } from './reply-from.js';

/** What `GET /invocations/{id}` says (contract, section 1). */
export function describeEntry(entry: Entry<Outcome>, format: ResponseFormat): Record<string, unknown> {
  const { id, state, outcome } = entry;
  const known = { invocation_id: id, state };
  if (outcome?.kind === 'values') return { ...known, events: outcome.log.length };
  if (outcome?.kind !== 'answer') return known;
  if (outcome.failure) return { ...known, ...failureOf(outcome.failure.error) };
  return { ...known, result: resultOf(outcome, format) };
}

/**
 * Answers `GET /invocations/{id}/events`. An invocation that gave one value has a stream of that value, one that
 * failed a stream of that failure.
 *
 * @throws RequestError 410 when the events that the caller has not seen are gone, or were no events.
 */
export async function eventsReply(
  entry: Entry<Outcome>,
  call: Call,
  format: ResponseFormat,
  wishes: Wishes,
): Promise<Reply> {
  const leave = attach(entry, call);
  const outcome = await entry.opened();
  return unlessRefused(leave, () => eventsOf(entry, outcome, call, { format, wishes }));
}

function eventsOf(
  entry: Entry<Outcome>,
  outcome: Outcome,
  call: Call,
  { format, wishes }: { format: ResponseFormat; wishes: Wishes },
): Reply {
  if (outcome.kind === 'values') return valuesReply(entry, outcome, call, wishes);
  if (outcome.kind === 'body') throw expired(entry.id);
  const after = wishes.after ?? 0;
  return {
    kind: 'stream',
    status: 200,
    headers: eventStreamHeaders(true),
    open: (sink) => {
      const frames = new Frames(sink, wishes);
      const { failure, requestId, seconds } = outcome;
      if (!failure && after < 1) frames.write(toJson(resultOf(outcome, format)), 1);
      const value = finalFrame({ requestId, invocationId: entry.id }, seconds, failure);
      const id = failure ? 1 : 2;
      frames.end(after < id ? { value, id } : undefined);
    },
  };
}

function failureOf(thrown: unknown): { error: string; error_type: string } {
  const { message, type } = describeError(thrown);
  return { error: message, error_type: type };
}

function resultOf({ body }: Answer, format: ResponseFormat): unknown {
  const told: unknown = JSON.parse(body);
  return format === 'raw' ? told : Reflect.get(Object(told), 'result');
}
