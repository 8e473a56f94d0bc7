import { heartbeatFrame } from '@sandpiper/protocol';
import type { Sink } from './sink.js';

/** Writes a comment into a stream that has been silent for a while (contract, section 4). */
export class Heartbeat {
  readonly #sink: Sink;
  readonly #everyMs: number;
  #lastAt = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(sink: Sink, everyMs: number) {
    this.#sink = sink;
    this.#everyMs = everyMs;
    this.#wait(everyMs);
  }

  /** Something else was written. Called for each frame, so it must not touch a timer. */
  beat(): void {
    this.#lastAt = Date.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => this.#check(), ms);
  }

  #check(): void {
    const silentMs = Date.now() - this.#lastAt;
    if (silentMs >= this.#everyMs) {
      this.#sink.write(heartbeatFrame);
      this.beat();
    }
    this.#wait(this.#lastAt + this.#everyMs - Date.now());
  }
}
