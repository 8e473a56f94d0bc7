import type { AgentLease, AgentTarget } from '../invocation/agent-lease.js';
import type { Cancellation } from '../invocation/cancellation.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { Transport } from '../transport/transport.js';
import { KeepAlive } from './keep-alive.js';
import type { LiveSandbox } from './live-sandbox.js';
import type { SessionBehaviour } from './session-behaviour.js';

/** One session's use of a sandbox, which it may share with other sessions of the client: what its own options ask for. */
export class SessionUse implements AgentTarget {
  readonly sandbox: LiveSandbox;
  readonly behaviour: SessionBehaviour;
  readonly #keepAlive: KeepAlive | undefined;

  constructor(sandbox: LiveSandbox, behaviour: SessionBehaviour) {
    this.sandbox = sandbox;
    this.behaviour = behaviour;
    const { keepAlive, lifetimeMs } = behaviour;
    if (!keepAlive) return;
    this.#keepAlive = new KeepAlive(
      lifetimeMs,
      () => sandbox.refresh(lifetimeMs),
      (error) =>
        sandbox.logger?.warn(
          { sandboxId: sandbox.sandboxId, error: String(error) },
          'a sandbox’s life could not be extended',
        ),
    );
  }

  get sandboxId(): string {
    return this.sandbox.sandboxId;
  }

  get transport(): Transport {
    return this.sandbox.transport;
  }

  get endpoint(): Endpoint {
    return this.sandbox.endpoint;
  }

  get runtimeInstance(): string | undefined {
    return this.sandbox.runtimeInstance;
  }

  set runtimeInstance(instance: string | undefined) {
    this.sandbox.runtimeInstance = instance;
  }

  recover(signal: AbortSignal): Promise<void> {
    return this.sandbox.recover(this.behaviour, signal);
  }

  /** Makes the agent ready for one call, and keeps it so until the lease is released. */
  async lease(cancellation: Cancellation): Promise<AgentLease> {
    const { activity } = this.sandbox;
    activity.begin();
    const release = async (): Promise<void> => {
      this.#keepAlive?.end();
      activity.end();
    };
    try {
      this.#keepAlive?.begin();
      await this.sandbox.ready(this.behaviour, cancellation);
      return { target: this, release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
