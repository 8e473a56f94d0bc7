import { agentPort, bindTokenVariable } from '@sandpiper/protocol';
import type { Endpoint, Image } from '@sandpiper/sandbox-engine/engine';
import { accepts } from '../sandboxes/dial.js';
import { newToken } from '../sandboxes/identifiers.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { SandboxManager } from '../sandboxes/sandbox-manager.js';
import type { SandboxSettings } from '../sandboxes/sandbox-settings.js';
import { bindAgent, isBindable } from './bind-agent.js';

/** It lives until it is taken or no longer wanted. */
const waitsMs = 10 * 365 * 24 * 3600 * 1000;

/** An agent that waits for its first caller. */
interface WaitingAgent {
  /** Opens it, once. */
  token: string;
  endpoint: Endpoint;
}

/** A sandbox that waits, with its agent started, for a caller that asks for one like it. */
export class PooledSandbox {
  private constructor(
    readonly sandbox: Sandbox,
    private readonly settings: SandboxSettings,
    /** Undefined where there is no agent that can be bound. */
    private readonly agent: WaitingAgent | undefined,
  ) {}

  /**
   * Makes one. A template whose ready command does not tell when its agent can be bound is started unbindable.
   *
   * @throws Error when the sandbox or its agent cannot be started.
   */
  static async make(
    manager: SandboxManager,
    image: Image,
    settings: SandboxSettings,
    signal: AbortSignal,
  ): Promise<PooledSandbox> {
    const make = (envs: Record<string, string>): Promise<Sandbox> =>
      manager.create(
        image,
        { ...settings, envs: { ...settings.envs, ...envs }, listed: false, timeoutMs: waitsMs },
        signal,
      );
    if (!settings.start?.readyCmd) return new PooledSandbox(await make({}), settings, undefined);
    const token = newToken();
    const sandbox = await make({ [bindTokenVariable]: token });
    try {
      const endpoint = await sandbox.engine.dial(portOf(settings));
      if (endpoint && (await accepts(endpoint))) {
        // Something that answers and does not know of binding is not held back either.
        const agent = (await isBindable(endpoint)) ? { token, endpoint } : undefined;
        return new PooledSandbox(sandbox, settings, agent);
      }
    } catch (error) {
      await manager.kill(sandbox.id);
      throw error;
    }
    // Whatever listens later would wait for its owner for ever.
    await manager.kill(sandbox.id);
    return new PooledSandbox(await make({}), settings, undefined);
  }

  /** Whether it can become a sandbox with these settings without being started again. */
  suits({ envs, volumes }: SandboxSettings): boolean {
    // They are mounted when a sandbox is started.
    if (volumes.length > 0) return false;
    // Commands are given their environment one by one; only an agent that runs already has to be told.
    if (this.agent || !this.settings.start) return true;
    const names = Object.keys(envs);
    return names.every((name) => this.settings.envs[name] === envs[name]);
  }

  get isAlive(): boolean {
    return this.sandbox.state === 'running';
  }

  /** Makes it the caller's: its network, then its agent. @throws Error when it is of no use any more. */
  async bind(wanted: SandboxSettings): Promise<void> {
    if (egressOf(wanted) !== egressOf(this.settings)) {
      await this.sandbox.setNetwork(wanted.network, wanted.allowInternetAccess);
    }
    if (!this.agent) return;
    const { token, endpoint } = this.agent;
    // An address of the sandbox's own is nobody else's; a port of the host may be another's by now, who gets no secret.
    const known = isLoopback(endpoint) ? await this.sandbox.engine.dial(portOf(this.settings)) : endpoint;
    if (!known) throw new Error('The agent listens no more.');
    await bindAgent(known, token, { env: wanted.envs, metadata: wanted.metadata });
  }
}

function isLoopback({ host }: Endpoint): boolean {
  return host === '::1' || host.startsWith('127.');
}

function egressOf({ network, allowInternetAccess }: SandboxSettings): string {
  const { allowOut = [], denyOut = [] } = network;
  return JSON.stringify([allowInternetAccess ?? true, allowOut, denyOut]);
}

function portOf({ envs }: SandboxSettings): number {
  return Number(envs.AGENT_RUNTIME_PORT ?? envs.PPIO_AGENT_PORT ?? envs.PORT) || agentPort;
}
