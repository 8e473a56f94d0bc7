import type { Server } from 'node:http';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';

/** When this much time has passed without a new connection, none is on its way. */
const quietMs = 10;

/** How long a quiet moment is waited for. After that the first look that finds no new connection has to do. */
const patienceMs = 500;

/** How long a connection that is open may be silent until it is taken for idle. */
const idleMs = 500;

/** How long requests on open connections are waited for, however many come. */
const longestMs = 2000;

/** Watches what comes to a server, so that it can be closed at a moment at which nothing is on its way to it. */
export class Arrivals {
  #count = 0;
  #lastAt = 0;

  constructor(server: Server) {
    server.on('connection', () => this.#note());
    server.on('request', () => this.#note());
  }

  #note(): void {
    this.#count++;
    this.#lastAt = performance.now();
  }

  /**
   * Calls back when no new connection waits in the kernel: closing the port resets those, with the requests that they
   * have sent. What arrived is to be held until then, for callers that are answered come again.
   */
  async whenQuiet(close: () => void): Promise<void> {
    const patientUntil = performance.now() + patienceMs;
    const impatientUntil = patientUntil + patienceMs;
    for (;;) {
      const before = this.#count;
      const now = performance.now();
      if (now < patientUntil) await sleep(quietMs);
      // The event loop reads what waits in the kernel right before it runs this.
      await turn();
      if (this.#count === before || now > impatientUntil) return close();
    }
  }

  /** Resolves when requests on the open connections have stopped to come. @param isOpen - Whether there are connections. */
  async untilIdle(isOpen: () => boolean): Promise<void> {
    const startedAt = performance.now();
    while (isOpen()) {
      const silentSince = Math.max(this.#lastAt, startedAt);
      if (performance.now() > Math.min(silentSince + idleMs, startedAt + longestMs)) return;
      await sleep(quietMs);
      await turn();
    }
  }
}
