import { refusals } from '@sandpiper/protocol';
import { RequestError } from '../errors/request-error.js';
import type { Call } from '../http/call.js';
import type { Reply, StreamReply } from '../http/reply.js';
import { bytesReader, eventStreamHeaders, Frames } from '../stream/frames.js';
import type { Reader } from '../stream/reader.js';
import type { Sink } from '../stream/sink.js';
import type { Entry } from './ledger/entry.js';
import type { Follower } from './ledger/event-log.js';
import type { Body, Outcome, Values } from './outcome.js';

/** How one caller wants to be answered. */
export interface Wishes {
  /** Numbered frames, and one at the end. */
  readonly resumable: boolean;
  /** The number of the last event it has seen; undefined when it does not say. */
  readonly after: number | undefined;
  readonly heartbeatMs: number;
}

/**
 * Answers one caller of an invocation, whether it is the first, one that joins while it runs, or one that comes
 * when it has ended (contract, section 5).
 *
 * @throws what the handler threw; RequestError 410 when the events that the caller has not seen are gone.
 */
export function replyFrom(entry: Entry<Outcome>, call: Call, wishes: Wishes): Reply | Promise<Reply> {
  // What has been answered needs nobody to wait for it.
  if (entry.outcome?.kind === 'answer') return replyWith(entry, entry.outcome, call, wishes);
  const leave = attach(entry, call);
  const reply = (outcome: Outcome): Reply =>
    unlessRefused(leave, () => replyWith(entry, outcome, call, wishes));
  const outcome = entry.opened();
  return outcome instanceof Promise ? outcome.then(reply) : reply(outcome);
}

function replyWith(entry: Entry<Outcome>, outcome: Outcome, call: Call, wishes: Wishes): Reply {
  if (outcome.kind === 'values') return valuesReply(entry, outcome, call, wishes);
  if (outcome.kind === 'body') return bodyReply(entry, outcome, call);
  const { status, headers, body, failure } = outcome;
  const reply: Reply = { kind: 'body', status, headers: [...headers], body };
  if (!failure) return reply;
  call.failure = { error: failure.error, reply };
  throw failure.error;
}

/** Counts a caller as waiting. @returns what counts it as gone, once, which happens by itself when it leaves. */
export function attach(entry: Entry<Outcome>, call: Call): () => void {
  entry.attach();
  let waits = true;
  const leave = (): void => {
    if (waits) entry.detach();
    waits = false;
  };
  call.incoming.onGone(leave);
  return leave;
}

/** Makes a reply. A caller that is refused has been answered, and waits no longer. */
export function unlessRefused<T>(leave: () => void, make: () => T): T {
  try {
    return make();
  } catch (error) {
    leave();
    throw error;
  }
}

/** Answers with a stream of values. @throws RequestError 410 when the events that the caller has not seen are gone. */
function valuesReply(entry: Entry<Outcome>, values: Values, call: Call, wishes: Wishes): StreamReply {
  const after = wishes.after ?? 0;
  if (!values.log.has(after)) throw expired(entry.id);
  return {
    kind: 'stream',
    status: 200,
    headers: eventStreamHeaders(wishes.resumable),
    open: (sink) => {
      const frames = new Frames(sink, wishes);
      call.incoming.onGone(() => frames.stop());
      followValues(values, { call, sink, frames, after });
    },
  };
}

/** Lets a sink follow the values of a stream. */
export function followValues(
  { log, start }: Values,
  { call, sink, frames, after }: { call: Call; sink: Sink; frames: Frames; after: number },
): void {
  serve(sink, call, frames, log.follow(after, frames));
  start();
}

function bodyReply(entry: Entry<Outcome>, { status, headers, log, start }: Body, call: Call): StreamReply {
  if (!log.has(0)) throw expired(entry.id);
  return {
    kind: 'stream',
    status,
    headers: [...headers],
    open: (sink) => {
      const reader = bytesReader(sink);
      serve(sink, call, reader, log.follow(0, reader));
      start();
    },
  };
}

/** Lets a sink follow a log, until its caller leaves. */
function serve(
  sink: Sink,
  call: Call,
  reader: Pick<Reader<never, never>, 'lost'>,
  follower: Follower | undefined,
): void {
  // The log may have been forgotten since it was looked at; that must not look like an end.
  if (follower) {
    sink.onDrain = follower.drained;
    call.incoming.onGone(follower.leave);
  } else reader.lost();
}

/** 410: what a caller asks for is not kept any more, or may never have been. */
export function expired(id: string): RequestError {
  return new RequestError(
    410,
    refusals.invocationExpired,
    `What is asked for of invocation ${id} is not kept any more, or never was (RuntimeConfig.retention). Nothing was run.`,
  );
}
