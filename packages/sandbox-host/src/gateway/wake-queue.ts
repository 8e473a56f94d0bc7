import { HostError } from '../engine/host-error.js';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** How many requests may wait for one sandbox to wake up, and for how long. */
export interface ParkingLimits {
  requests: number;
  ms: number;
}

/** Holds requests for paused sandboxes while these wake up: once for all that wait, and never without bounds. */
export class Parking {
  readonly #waking = new Map<string, { awake: Promise<unknown>; waiting: number }>();

  constructor(private readonly limits: ParkingLimits = { requests: 100, ms: 30_000 }) {}

  /** Resolves when the sandbox runs. @throws HostError 503 when too many wait, or it takes too long. */
  async wake(sandbox: Pick<Sandbox, 'id' | 'wake'>): Promise<void> {
    const { id } = sandbox;
    let lot = this.#waking.get(id);
    if (!lot) {
      const done = (): unknown => this.#waking.delete(id);
      lot = { awake: sandbox.wake(), waiting: 0 };
      this.#waking.set(id, lot);
      lot.awake.then(done, done);
    }
    const { requests, ms } = this.limits;
    if (lot.waiting >= requests) {
      throw new HostError(503, `The sandbox wakes up, and ${requests} requests wait for it already.`);
    }
    lot.waiting += 1;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `The sandbox has not woken up within ${ms} ms.`;
      timer = setTimeout(() => reject(new HostError(503, message)), ms);
    });
    try {
      await Promise.race([lot.awake, late]);
    } finally {
      clearTimeout(timer);
      lot.waiting -= 1;
    }
  }
}
