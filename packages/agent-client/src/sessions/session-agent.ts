import type { AgentLease, AgentTarget } from '../invocation/agent-lease.js';
import type { Cancellation } from '../invocation/cancellation.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { Transport } from '../transport/transport.js';
import { KeepAlive } from './keep-alive.js';
import type { SandboxHandle } from './sandbox-handle.js';
import type { SessionSettings } from './session-settings.js';

/** The agent that one session calls. Its sandbox may be shared with other sessions of the client; the settings are its own. */
export class SessionAgent implements AgentTarget {
  readonly sandbox: SandboxHandle;
  readonly settings: SessionSettings;
  readonly #keepAlive: KeepAlive | undefined;

  constructor(sandbox: SandboxHandle, settings: SessionSettings) {
    this.sandbox = sandbox;
    this.settings = settings;
    const { keepAlive, lifetimeMs } = settings;
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
    return this.sandbox.recover(this.settings, signal);
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
      await this.sandbox.ready(this.settings, cancellation);
      return { target: this, release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
