import { refusals } from '@sandpiper/protocol';
import { RequestError } from '../errors/request-error.js';
import type { Call } from '../http/call.js';
import type { Reply, StreamReply } from '../http/reply.js';
import type { Sink } from '../http/sink.js';
import type { Subscription } from '../stream/event-log.js';
import { bytesSubscriber, eventStreamHeaders, Frames } from '../stream/frames.js';
import type { Subscriber } from '../stream/subscriber.js';
import type { Entry } from './idempotency/entry.js';
import type { Body, Outcome, Values } from './outcome.js';

/** What one caller asked for: which kind of stream, and from where on. */
export interface ReplyOptions {
  /** Numbered frames, and one at the end. */
  readonly resumable: boolean;
  /** The number of the last event it has seen; undefined when it does not say. */
  readonly after: number | undefined;
  readonly heartbeatMs: number;
}

/**
 * Answers one caller of an invocation, whether it is the first, one that joins while it runs, or one that comes
 * when it has ended (docs/wire-protocol.md, "At most once").
 *
 * @throws what the handler threw; RequestError 410 when the events that the caller has not seen are gone.
 */
export function replyToCaller(
  entry: Entry<Outcome>,
  call: Call,
  options: ReplyOptions,
): Reply | Promise<Reply> {
  // What has been answered needs nobody to wait for it.
  if (entry.outcome?.kind === 'answer') return replyWith(entry, entry.outcome, call, options);
  const leave = attach(entry, call);
  const reply = (outcome: Outcome): Reply =>
    unlessRefused(leave, () => replyWith(entry, outcome, call, options));
  const outcome = entry.opened();
  return outcome instanceof Promise ? outcome.then(reply) : reply(outcome);
}

function replyWith(entry: Entry<Outcome>, outcome: Outcome, call: Call, options: ReplyOptions): Reply {
  if (outcome.kind === 'values') return valuesReply(entry, outcome, call, options);
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
function valuesReply(entry: Entry<Outcome>, values: Values, call: Call, options: ReplyOptions): StreamReply {
  const after = options.after ?? 0;
  if (!values.log.has(after)) throw expired(entry.id);
  return {
    kind: 'stream',
    status: 200,
    headers: eventStreamHeaders(options.resumable),
    open: (sink) => {
      const frames = new Frames(sink, options);
      call.incoming.onGone(() => frames.stop());
      subscribeToValues(values, { call, sink, frames, after });
    },
  };
}

/** Sends the values of a stream to a sink. */
export function subscribeToValues(
  { log, start }: Values,
  { call, sink, frames, after }: { call: Call; sink: Sink; frames: Frames; after: number },
): void {
  serve(sink, call, frames, log.subscribe(after, frames));
  start();
}

function bodyReply(entry: Entry<Outcome>, { status, headers, log, start }: Body, call: Call): StreamReply {
  if (!log.has(0)) throw expired(entry.id);
  return {
    kind: 'stream',
    status,
    headers: [...headers],
    open: (sink) => {
      const subscriber = bytesSubscriber(sink);
      serve(sink, call, subscriber, log.subscribe(0, subscriber));
      start();
    },
  };
}

/** Sends what a log has to a sink, until its caller leaves. */
function serve(
  sink: Sink,
  call: Call,
  subscriber: Pick<Subscriber<never, never>, 'lost'>,
  subscription: Subscription | undefined,
): void {
  // The log may have been forgotten since it was looked at; that must not look like an end.
  if (subscription) {
    sink.onDrain = subscription.drained;
    call.incoming.onGone(subscription.unsubscribe);
  } else subscriber.lost();
}

/** 410: what a caller asks for is not kept any more, or may never have been. */
export function expired(id: string): RequestError {
  return new RequestError(
    410,
    refusals.invocationExpired,
    `What is asked for of invocation ${id} is not kept any more, or never was (RuntimeConfig.retention). Nothing was run.`,
  );
}
