import { describeError } from '../errors/describe-error.js';
import type { Call } from '../http/call.js';
import type { ResponseFormat } from '../http/envelope.js';
import type { Reply } from '../http/reply.js';
import type { Sink } from '../http/sink.js';
import { toJson } from '../json/to-json.js';
import { type FinalFrame, finalFrame } from '../stream/final-frame.js';
import { eventStreamHeaders, Frames } from '../stream/frames.js';
import type { Entry } from './idempotency/entry.js';
import type { Answer, Outcome } from './outcome.js';
import { attach, expired, type ReplyOptions, subscribeToValues, unlessRefused } from './reply-to-caller.js';

/** What `GET /invocations/{id}` says (docs/wire-protocol.md, "Paths"). */
export function describeEntry(entry: Entry<Outcome>, format: ResponseFormat): Record<string, unknown> {
  const { id, state, outcome } = entry;
  const known = { invocation_id: id, state };
  if (outcome?.kind === 'values') return { ...known, events: outcome.log.length };
  if (outcome?.kind !== 'answer') return known;
  if (outcome.failure) return { ...known, ...failureOf(outcome.failure.error) };
  return { ...known, result: resultOf(outcome, format) };
}

/** How the events of an invocation are to be sent. */
export interface EventsOptions {
  readonly format: ResponseFormat;
  readonly replyOptions: ReplyOptions;
}

/**
 * Answers `GET /invocations/{id}/events`. An invocation that gave one value has a stream of that value, one that
 * failed a stream of that failure. One that is at work has a stream at once, which says so and has heartbeats: gateways
 * give up a response that does not begin.
 *
 * @throws RequestError 410 when the events that the caller has not seen are gone, or were no events.
 */
export function eventsReply(entry: Entry<Outcome>, call: Call, options: EventsOptions): Reply {
  const { replyOptions } = options;
  const leave = attach(entry, call);
  if (entry.outcome) {
    const { outcome } = entry;
    unlessRefused(leave, () => checkEvents(entry.id, outcome, replyOptions));
  }
  return {
    kind: 'stream',
    status: 200,
    headers: eventStreamHeaders(true),
    open: (sink) => {
      const frames = new Frames(sink, replyOptions);
      call.incoming.onGone(() => frames.stop());
      const write = (outcome: Outcome): void =>
        writeEvents(entry.id, outcome, { ...options, call, sink, frames });
      if (entry.outcome) return write(entry.outcome);
      frames.alive();
      // What was no events after all is to be asked for in another way, so this must not look like an end.
      Promise.resolve(entry.opened())
        .then(write)
        .catch(() => frames.lost());
    },
  };
}

/** @throws RequestError 410 for what has no events, or not those that the caller has not seen. */
function checkEvents(id: string, outcome: Outcome, { after = 0 }: ReplyOptions): void {
  const isBytes = outcome.kind === 'body' || (outcome.kind === 'answer' && outcome.body === '');
  if (isBytes || (outcome.kind === 'values' && !outcome.log.has(after))) throw expired(id);
}

function writeEvents(
  id: string,
  outcome: Outcome,
  { call, sink, frames, format, replyOptions }: EventsOptions & { call: Call; sink: Sink; frames: Frames },
): void {
  checkEvents(id, outcome, replyOptions);
  const { after = 0 } = replyOptions;
  if (outcome.kind === 'values') subscribeToValues(outcome, { call, sink, frames, after });
  if (outcome.kind !== 'answer') return;
  const { failure, requestId, seconds, usage } = outcome;
  if (!failure && after < 1) frames.write(toJson(resultOf(outcome, format)), 1);
  const value = ofOneValue(finalFrame({ requestId, invocationId: id }, seconds, { failure, usage }));
  const last = failure ? 1 : 2;
  frames.end(after < last ? { value, id: last } : undefined);
}

/** Says that the event before it is the whole result, and no stream of one value. */
function ofOneValue(final: FinalFrame): FinalFrame {
  return final.event === 'done' ? { ...final, json: `${final.json.slice(0, -1)},"streamed":false}` } : final;
}

function failureOf(error: unknown): { error: string; error_type: string } {
  const { message, type } = describeError(error);
  return { error: message, error_type: type };
}

function resultOf({ body }: Answer, format: ResponseFormat): unknown {
  const content: unknown = JSON.parse(body);
  return format === 'raw' ? content : Reflect.get(Object(content), 'result');
}
