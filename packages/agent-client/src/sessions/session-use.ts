import type { AgentLease } from '../invocation/agent-lease.js';
import type { Cancellation } from '../invocation/cancellation.js';
import { KeepAlive } from './keep-alive.js';
import type { LiveSandbox } from './live-sandbox.js';

/** How much a session is used from here: what calls it holds ready for, and since when it is idle. */
export class SessionUse {
  readonly sandbox: LiveSandbox;
  readonly #keepAlive: KeepAlive | undefined;
  #inFlight = 0;
  #lastActivity = Date.now();

  /** @param keepAliveMs - How long a refresh is to last, where calls in flight keep the sandbox alive. */
  constructor(sandbox: LiveSandbox, keepAliveMs: number | undefined) {
    this.sandbox = sandbox;
    if (keepAliveMs !== undefined) this.#keepAlive = new KeepAlive(keepAliveMs, () => sandbox.refresh());
  }

  get idleSeconds(): number {
    return this.#inFlight > 0 ? 0 : (Date.now() - this.#lastActivity) / 1000;
  }

  touch(): void {
    this.#lastActivity = Date.now();
  }

  /** Makes the agent ready for one call, and keeps it so until the lease is released. */
  async lease(cancellation: Cancellation): Promise<AgentLease> {
    this.#inFlight += 1;
    const release = async (): Promise<void> => {
      this.#keepAlive?.end();
      this.#inFlight -= 1;
      this.touch();
    };
    try {
      this.#keepAlive?.begin();
      await this.sandbox.ready(cancellation);
      return { target: this.sandbox, release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
