import type { InvocationState } from '@sandpiper/protocol';

/** How an invocation came out. */
export type EndState = Exclude<InvocationState, 'running'>;

/** What is measured of invocations. Called on every request's way, so none of these may look a label up twice. */
export interface Metrics {
  /** An invocation ended. @param errorType - What the wire calls its error; undefined when it succeeded. */
  ended(state: EndState, errorType: string | undefined, seconds: number): void;
  /** The first byte of an answer was there. */
  answered(seconds: number): void;
  /** A stream carried a value. */
  streamed(): void;
  /** All metrics as Prometheus text, and its content type. */
  render(): Promise<{ contentType: string; text: string }>;
}

/** What is looked at when the metrics are asked for. */
export interface Gauges {
  /** How many invocations and background tasks run. */
  active(): number;
  /** How many invocations the idempotency store knows. */
  idempotencyEntries(): number;
  /** How many bytes it holds. */
  idempotencyBytes(): number;
}
