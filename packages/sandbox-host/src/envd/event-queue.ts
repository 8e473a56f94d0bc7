import type { FileEvent } from '@sandpiper/sandbox-engine/files';
import { HostError } from '@sandpiper/sandbox-engine/host-error';

/** The most events that wait for a reader; one that is further behind has lost track anyway. */
const maxEvents = 10_000;

/** Events on their way from a watched directory to who watches it. */
export class EventQueue {
  #events: FileEvent[] = [];
  #overflown = false;
  #wake: () => void = () => {};

  push(event: FileEvent): void {
    if (this.#events.length < maxEvents) this.#events.push(event);
    else this.#overflown = true;
    this.#wake();
  }

  /** What has come since the last time. @throws HostError 429 when it was more than could be kept. */
  take(): FileEvent[] {
    if (this.#overflown) throw new HostError(429, `More than ${maxEvents} file events waited; watch again.`);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  async *read(signal: AbortSignal): AsyncGenerator<FileEvent, void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        yield* this.take();
        if (this.#events.length > 0) continue;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (signal.aborted) resolve();
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
