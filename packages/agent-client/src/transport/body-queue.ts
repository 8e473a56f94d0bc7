import type { ResponseBody } from './transport.js';
import { TransportFailure } from './transport.js';

/** Above this many unread bytes the connection is paused: a slow reader holds its server back, not our memory. */
const highWaterMark = 64 * 1024;

/** How the queue steers the connection behind it. */
interface Flow {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

/** A reader with nothing to read yet. */
interface Waiting {
  resolve: (chunk: Uint8Array | undefined) => void;
  reject: (reason: unknown) => void;
}

/** Between a connection that pushes and a reader that pulls. */
export class BodyQueue implements ResponseBody {
  idleTimeoutMs = 0;
  readonly #flow: Flow;
  readonly #onSettled: () => void;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #paused = false;
  #finished = false;
  #failure: unknown;
  #waiting: Waiting | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param onSettled - Called once, when no more will come. */
  constructor(flow: Flow, onSettled: () => void) {
    this.#flow = flow;
    this.#onSettled = onSettled;
  }

  read(): Promise<Uint8Array | undefined> {
    const chunk = this.#chunks.shift();
    if (chunk) {
      this.#size -= chunk.length;
      if (this.#paused && this.#size < highWaterMark) {
        this.#paused = false;
        this.#flow.resume();
      }
      return Promise.resolve(chunk);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#finished) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      // The clock runs only while somebody waits: a slow reader is not a silent server.
      if (this.idleTimeoutMs > 0) this.#watch();
    });
  }

  cancel(): void {
    if (this.#finished || this.#failure !== undefined) return;
    this.fail(new TransportFailure('network', true, 'The response was cancelled.'));
  }

  push(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    if (this.#waiting) {
      this.#take().resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size >= highWaterMark && !this.#paused) {
      this.#paused = true;
      this.#flow.pause();
    }
  }

  finish(): void {
    if (this.#finished || this.#failure !== undefined) return;
    this.#finished = true;
    this.#onSettled();
    if (this.#waiting) this.#take().resolve(undefined);
  }

  /** Ends the body with an error, which the reader sees after the bytes that came before it. */
  fail(reason: unknown): void {
    if (this.#finished || this.#failure !== undefined) return;
    this.#failure = reason;
    this.#onSettled();
    this.#flow.abort(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));
    if (this.#waiting) this.#take().reject(reason);
  }

  #take(): Waiting {
    const waiting = this.#waiting;
    if (!waiting) throw new Error('nobody waits');
    this.#waiting = undefined;
    clearTimeout(this.#idleTimer);
    return waiting;
  }

  #watch(): void {
    const ms = this.idleTimeoutMs;
    this.#idleTimer = setTimeout(() => {
      this.fail(new TransportFailure('idle_timeout', true, `The server was silent for ${ms} ms.`));
    }, ms);
  }
}
