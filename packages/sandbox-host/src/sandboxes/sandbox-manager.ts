import { EventEmitter } from 'node:events';
import type { Engine, Image } from '../engines/engine.js';
import { HostError } from '../errors.js';
import { newId, newToken } from './identifiers.js';
import type { Cause, CreatePhase, LifecycleEvents } from './lifecycle-events.js';
import type { Platform } from './platform.js';
import { Sandbox } from './sandbox.js';
import type { SandboxSettings } from './sandbox-settings.js';
import { startAgent } from './start-agent.js';

/** Makes sandboxes, knows them, and sees to their end. */
export class SandboxManager {
  /** What happens to sandboxes, for whoever keeps books. */
  readonly events: LifecycleEvents = new EventEmitter();
  readonly #engine: Engine;
  readonly #sandboxes = new Map<string, Sandbox>();
  /** Creations under way, which a closing host has to wait for. */
  readonly #creating = new Set<Promise<unknown>>();
  #lastStart = 0;
  #closed = false;

  /** @param releaseImage - Told when a sandbox no longer needs what it was made from. */
  constructor(
    engine: Engine,
    private readonly releaseImage: (image: Image) => Promise<void>,
    private readonly platform: Platform,
  ) {
    this.#engine = engine;
  }

  /** @throws HostError 404. */
  get(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox || sandbox.state === 'creating') throw new HostError(404, `Sandbox "${id}" was not found.`);
    return sandbox;
  }

  find(id: string): Sandbox | undefined {
    return this.#sandboxes.get(id);
  }

  /** Running and paused ones, oldest first. */
  list(): Sandbox[] {
    return [...this.#sandboxes.values()]
      .filter((one) => one.settings.listed && (one.state === 'running' || one.isPaused))
      .sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  }

  /** What sandboxes stand on, so that it is not taken away. */
  images(): Image[] {
    return [...this.#sandboxes.values()].map((one) => one.image);
  }

  /** Makes a sandbox and waits until its agent, if it has one, is ready. What fails half-way is taken down. */
  create(image: Image, settings: SandboxSettings, signal?: AbortSignal): Promise<Sandbox> {
    const creation = this.#create(image, settings, signal);
    this.#creating.add(creation);
    const done = (): unknown => this.#creating.delete(creation);
    creation.then(done, done);
    return creation;
  }

  async #create(image: Image, settings: SandboxSettings, signal?: AbortSignal): Promise<Sandbox> {
    if (this.#closed) throw new HostError(503, 'The sandbox host is closing.');
    signal?.throwIfAborted();
    const identity = {
      id: newId(),
      image,
      accessToken: settings.secure ? newToken() : undefined,
      trafficToken: settings.network.allowPublicTraffic === false ? newToken() : undefined,
    };
    const sandbox = new Sandbox(identity, settings, this.platform, {
      changed: (transition) => this.events.emit('transition', transition),
      expired: (expired) => void this.#expire(expired),
    });
    this.#sandboxes.set(sandbox.id, sandbox);
    try {
      const { cpuCount, memoryMB, allowInternetAccess, network, start } = settings;
      const { lost } = await this.#timed(sandbox, 'boot', () =>
        sandbox.boot(() =>
          this.#engine.start(sandbox.id, image, {
            limits: { cpuCount, memoryMB },
            network: {
              internet: allowInternetAccess ?? true,
              allowOut: network.allowOut ?? [],
              denyOut: network.denyOut ?? [],
            },
          }),
        ),
      );
      void lost.then(() => this.#end(sandbox, 'lost'));
      if (start) {
        const given = signal ? AbortSignal.any([signal, sandbox.signal]) : sandbox.signal;
        await this.#timed(sandbox, 'ready', () => startAgent(sandbox, start, given));
      }
      signal?.throwIfAborted();
      sandbox.ready(this.#nextStart());
      return sandbox;
    } catch (error) {
      // What fails because the sandbox was ended is not the reason.
      const reason: unknown = sandbox.signal.aborted ? sandbox.signal.reason : error;
      await this.#end(sandbox, 'failed');
      throw reason;
    }
  }

  async #timed<T>(sandbox: Sandbox, phase: CreatePhase['phase'], work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    this.events.emit('phase', { sandbox, phase, elapsedMs: performance.now() - begun });
    return result;
  }

  /**
   * A start later than every other: whoever is told of a sandbox has also been told of every one that is older, so
   * callers who race to make the same one can agree on the oldest.
   */
  #nextStart(): Date {
    this.#lastStart = Math.max(Date.now(), this.#lastStart + 1);
    return new Date(this.#lastStart);
  }

  /** @returns whether there was one to kill. */
  async kill(id: string): Promise<boolean> {
    const sandbox = this.#sandboxes.get(id);
    return sandbox ? this.#end(sandbox, 'caller') : false;
  }

  /** Ends every sandbox, also those that are being made. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#sandboxes.values()].map((sandbox) => this.#end(sandbox, 'closing')));
    await Promise.allSettled(this.#creating);
  }

  async #end(sandbox: Sandbox, cause: Cause): Promise<boolean> {
    const ended = await sandbox.kill(cause);
    if (this.#sandboxes.delete(sandbox.id)) await this.releaseImage(sandbox.image);
    return ended;
  }

  async #expire(sandbox: Sandbox): Promise<void> {
    try {
      if (sandbox.settings.autoPause) await sandbox.pause('timeout');
      else await this.#end(sandbox, 'timeout');
    } catch (error) {
      sandbox.log.add('error', `The timeout could not be carried out: ${String(error)}`);
    }
  }
}
