import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** How many requests may wait for one sandbox to wake up, and for how long. */
export interface WakeQueueLimits {
  requests: number;
  ms: number;
}

/** Holds requests for paused sandboxes while these wake up: once for all that wait, and never without bounds. */
export class WakeQueue {
  readonly #waking = new Map<string, { awake: Promise<unknown>; waiting: number }>();

  constructor(private readonly limits: WakeQueueLimits = { requests: 100, ms: 30_000 }) {}

  /** Resolves when the sandbox runs. @throws HostError 503 when too many wait, or it takes too long. */
  async wake(sandbox: Pick<Sandbox, 'id' | 'wake'>): Promise<void> {
    const { id } = sandbox;
    let entry = this.#waking.get(id);
    if (!entry) {
      const done = (): unknown => this.#waking.delete(id);
      entry = { awake: sandbox.wake(), waiting: 0 };
      this.#waking.set(id, entry);
      entry.awake.then(done, done);
    }
    const { requests, ms } = this.limits;
    if (entry.waiting >= requests) {
      throw new HostError(503, `The sandbox wakes up, and ${requests} requests wait for it already.`);
    }
    entry.waiting += 1;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `The sandbox has not woken up within ${ms} ms.`;
      timer = setTimeout(() => reject(new HostError(503, message)), ms);
    });
    try {
      await Promise.race([entry.awake, late]);
    } finally {
      clearTimeout(timer);
      entry.waiting -= 1;
    }
  }
}
