import { heartbeatFrame } from '@sandpiper/protocol';
import type { Sink } from '../http/sink.js';

/** Silence is looked for this many times within one heartbeat's time, and so found that much late at the most. */
const looks = 8;

/** Writes a comment into a stream that has been silent for a while (docs/wire-protocol.md, "Streams"). */
export class Heartbeat {
  #timer: ReturnType<typeof setInterval> | undefined;
  #isStopped = false;
  #silentLooks = 0;

  constructor(sink: Sink, everyMs: number) {
    sink.whenRead(() => this.#start(sink, everyMs));
  }

  // Nobody may ever read a response that is only made, and then its timer would never end.
  #start(sink: Sink, everyMs: number): void {
    if (this.#isStopped) return;
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
    this.#isStopped = true;
    clearInterval(this.#timer);
  }
}
