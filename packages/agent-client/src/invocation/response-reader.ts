import { AgentRuntimeError, type DonePayload, type ErrorPayload, headers } from '@sandpiper/protocol';
import { InvocationError } from '../errors/invocation-error.js';
import { StreamInterruptedError } from '../errors/stream-interrupted-error.js';
import type { ResponseBody } from '../transport/transport.js';
import { AttemptFailure } from './attempt-failure.js';
import type { Call } from './call.js';
import { chooseDecoder, isResumable } from './decode/choose-decoder.js';
import type { AnswerSink, ResponseDecoder } from './decode/response-decoder.js';
import {
  asEnvelope,
  type InvocationFacts,
  type InvocationSummary,
  readUsage,
  toSummary,
  type Usage,
} from './response.js';
import { fromTransport } from './transport-failure.js';

/** Heartbeats come every 15 s by default; four of them missing is a dead connection. */
const defaultIdleTimeoutMs = 60_000;

/** How an answer ended: well, or with the error that the reader of its values is to get after them. */
type Ending = { summary: InvocationSummary } | { error: unknown };

/** Follows one call's answer through as many connections as it takes, and gives out its values once and in order. */
export class ResponseReader implements AnswerSink {
  /** Whether the answer is a stream of values, not one whole; known once something was read. */
  streamed = true;
  /** How many bytes have come, over all connections. */
  bytesRead = 0;
  readonly #call: Call;
  readonly #position = { lastEventId: 0 };
  #values: unknown[] = [];
  #next = 0;
  #ending: Ending | undefined;
  #connection: { body: ResponseBody; decoder: ResponseDecoder } | undefined;
  /** Whether the answer, in the attempt that got furthest, was a stream that can be taken up where it was cut. */
  #resumable = false;
  #anyValue = false;
  /** What a bare value used, by the response's header. */
  #usage: Usage = {};
  /** Whether the response that is read is one of our runtime's: others in its place have been refused before. */
  #isFromRuntime = false;

  constructor(call: Call) {
    this.#call = call;
  }

  /** A value that has come already, for callers that would rather not wait a turn for it. */
  take(): { value: unknown } | undefined {
    if (this.#next < this.#values.length) return { value: this.#values[this.#next++] };
    return undefined;
  }

  /**
   * Reads on until there are values to take.
   *
   * @returns false at the end of the answer.
   * @throws one of the public errors, or the reason of the caller's signal.
   */
  async advance(): Promise<boolean> {
    this.#values = [];
    this.#next = 0;
    while (this.#values.length === 0 && !this.#ending) await this.#step();
    if (this.#values.length > 0) return true;
    if (this.#ending && 'error' in this.#ending) throw this.#ending.error;
    return false;
  }

  /** What the answer came to. @throws before its end. */
  get summary(): InvocationSummary {
    if (this.#ending && 'summary' in this.#ending) return this.#ending.summary;
    throw new Error('The answer has not ended.');
  }

  /** Ends the call wherever it stands. @param asked - Whether the caller left: an agent at work still is cancelled. */
  async close(asked = false): Promise<void> {
    this.#connection?.body.cancel();
    await this.#call.end(isOpen(this.#ending), asked);
  }

  value(value: unknown): void {
    this.#values.push(value);
    this.#anyValue = true;
    if (this.#resumable) this.#call.retries.progressed();
  }

  alive(): void {
    if (this.#resumable) this.#call.retries.progressed();
  }

  whole(value: unknown): void {
    this.streamed = false;
    const { invocationId } = this.#call;
    const envelope = asEnvelope(value, { runtime: this.#isFromRuntime, invocationId });
    if (envelope?.status === 'error') {
      const error = envelope.error ?? 'The agent gave no reason.';
      this.failed({ error, error_type: envelope.error_type ?? undefined });
      return;
    }
    // The value may have come before, as the one event of an invocation that was joined.
    if (!this.#anyValue) this.#values.push(envelope ? envelope.result : value);
    this.#ending = { summary: toSummary(envelope ?? this.#usage, this.#facts()) };
  }

  done(payload: DonePayload | undefined): void {
    if (payload?.streamed === false) this.streamed = false;
    this.#ending = { summary: toSummary(payload ?? {}, this.#facts()) };
  }

  failed(payload: ErrorPayload): void {
    const { facts } = this.#call;
    const options = { ...facts, outcome: 'failed', errorType: payload.error_type } as const;
    this.#ending = { error: new InvocationError(payload.error, options) };
  }

  /** Reads one piece, connecting first where needed, and lets the call decide about what breaks. */
  async #step(): Promise<void> {
    try {
      this.#connection ??= await this.#connect();
      const { body, decoder } = this.#connection;
      const bytes = await body.read();
      if (!bytes) return decoder.end();
      this.bytesRead += bytes.length;
      decoder.push(bytes);
    } catch (error) {
      this.#connection?.body.cancel();
      this.#connection = undefined;
      try {
        // Values were given out that a second run of the stream would give out again.
        if (this.#anyValue && !this.#resumable) throw fromTransport(error, this.#call.facts);
        await this.#call.retry(error);
      } catch (final) {
        this.#ending ??= { error: this.#explain(final) };
      }
    }
  }

  async #connect(): Promise<{ body: ResponseBody; decoder: ResponseDecoder }> {
    // Once an answer was seen to begin, the agent is asked for the rest of it, and never to start again.
    const response = await this.#call.send(this.#resumable ? this.#position.lastEventId : undefined);
    const { settings } = this.#call;
    this.#isFromRuntime = response.header(headers.runtimeInstance) !== undefined;
    this.#usage = readUsage(response.header(headers.usage));
    this.#resumable ||= isResumable(response);
    response.body.idleTimeoutMs = settings.idleTimeoutMs ?? (this.#resumable ? defaultIdleTimeoutMs : 0);
    return {
      body: response.body,
      decoder: chooseDecoder(response, this, this.#position, settings.maxResponseBytes),
    };
  }

  /** What breaks a stream for good makes it an interrupted one. */
  #explain(error: unknown): unknown {
    const cause = error instanceof AttemptFailure ? error.error : error;
    const { facts } = this.#call;
    if (cause instanceof RangeError)
      return new InvocationError(cause.message, { ...facts, outcome: 'unknown', cause });
    if (!InvocationError.isInstance(cause) || cause.outcome !== 'unknown') return cause;
    if (!this.#resumable && !this.#anyValue) return cause;
    const message = `The stream was cut and could not be taken up again: ${cause.message}`;
    return new StreamInterruptedError(message, { ...facts, outcome: 'unknown', status: cause.status, cause });
  }

  #facts(): InvocationFacts {
    const { requestId, invocationId, startedAt, retries } = this.#call;
    const durationSeconds = (performance.now() - startedAt) / 1000;
    return { requestId, invocationId, durationSeconds, attempts: retries.attempts };
  }
}

/** Whether the agent may be at work on an invocation that ended so for its caller. */
function isOpen(ending: Ending | undefined): boolean {
  if (!ending) return true;
  if ('summary' in ending) return false;
  const { error } = ending;
  // What is none of ours is the reason of the caller's signal.
  if (!AgentRuntimeError.isInstance(error)) return true;
  return 'outcome' in error && error.outcome === 'unknown';
}
