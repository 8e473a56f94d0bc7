import { heartbeatFrame } from '@sandpiper/protocol';
import type { Sink } from './sink.js';

/** Silence is looked for this many times within one heartbeat's time, and so found that much late at the most. */
const looks = 8;

/** Writes a comment into a stream that has been silent for a while (contract, section 4). */
export class Heartbeat {
  readonly #timer: ReturnType<typeof setInterval>;
  #silentLooks = 0;

  constructor(sink: Sink, everyMs: number) {
    this.#timer = setInterval(() => {
      // To a reader that is behind the stream is not silent, and comments would pile up.
      if (sink.isBehind || ++this.#silentLooks < looks) return;
      this.#silentLooks = 0;
      sink.write(heartbeatFrame);
    }, everyMs / looks);
  }

  /** Something else was written. Called for each frame, so it touches neither a timer nor a clock. */
  beat(): void {
    this.#silentLooks = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
