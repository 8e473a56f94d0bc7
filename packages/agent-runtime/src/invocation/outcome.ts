import type { WireUsage } from '../context/usage.js';
import type { ReplyHeaders } from '../http/response-headers.js';
import type { EventLog } from '../stream/event-log.js';
import type { Failure } from '../stream/failure.js';
import type { FinalFrame } from '../stream/final-frame.js';
import type { Remembered } from './idempotency/idempotency-store.js';

/** What comes of an invocation: what each of its callers is answered with. */
export type Outcome = Answer | Values | Body;

/** A complete answer. */
export interface Answer extends Remembered {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: ReplyHeaders;
  readonly body: string;
  readonly requestId: string;
  /** How long it took. */
  readonly seconds: number;
  /** What the handler said that it used. */
  readonly usage?: WireUsage | undefined;
  /** What the handler threw, when that is what is answered. */
  readonly failure?: Failure | undefined;
}

/** A stream of values, each as JSON text. */
export interface Values extends Remembered {
  readonly kind: 'values';
  readonly log: EventLog<string, FinalFrame>;
  /** Called when the first reader is there. */
  start(): void;
}

/** A `Response` that the handler made, its body piece by piece. */
export interface Body extends Remembered {
  readonly kind: 'body';
  readonly status: number;
  readonly headers: ReplyHeaders;
  readonly log: EventLog<Uint8Array, Failure | undefined>;
  /** Called when the first reader is there. */
  start(): void;
}
