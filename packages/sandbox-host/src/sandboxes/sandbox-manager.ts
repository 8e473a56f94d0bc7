import { EventEmitter } from 'node:events';
import type {
  Engine,
  EngineSandbox,
  Image,
  LocalServer,
  StartOptions,
} from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import type { Cause, CreatePhase, LifecycleEvents } from '../events/lifecycle-events.js';
import type { Collection } from '../storage/journal.js';
import { askAgent } from './agent-status.js';
import type { Deadline, Lifetimes } from './deadlines.js';
import { newId, newToken } from './identifiers.js';
import type { Platform } from './platform.js';
import { Sandbox } from './sandbox.js';
import type { SandboxHooks } from './sandbox-hooks.js';
import type { SandboxRecord } from './sandbox-record.js';
import { factsOf, networkPolicy, type SandboxSettings } from './sandbox-settings.js';
import { startAgent } from './start-agent.js';

/** What sandboxes are made with. */
export interface SandboxManagerOptions {
  logger: Logger;
  engine: Engine;
  /** Where it is kept which sandboxes there are. */
  store: Collection<SandboxRecord>;
  /** Told when a sandbox no longer needs what it was made from. */
  releaseImage: (image: Image) => Promise<void>;
  platform: Platform;
  /** Rejects when there is no room for another sandbox. Default: there is. */
  requireRoom?: () => Promise<void>;
  lifetimes?: Lifetimes;
  /** How long what runs in a sandbox that ends has to end by itself; 0 for not at all. */
  stopGraceMs: number;
  /** Asked for a sandbox that was made before, before a new one is made. Default: there is none. */
  takeReady?: (image: Image, settings: SandboxSettings) => Promise<Sandbox | undefined>;
  /** What programs of a sandbox reach on its loopback interface. Default: nothing. */
  localServer?: (sandbox: Sandbox) => LocalServer;
}

/** What could not be done when it was due is tried again after this time. */
const retryMs = 30_000;

/** Makes sandboxes, knows them, and sees to their end. */
export class SandboxManager {
  /** What happens to sandboxes, for audit and metrics. */
  readonly events: LifecycleEvents = new EventEmitter();
  readonly lifetimes: Lifetimes;
  readonly #logger: Logger;
  readonly #engine: Engine;
  readonly #store: Collection<SandboxRecord>;
  readonly #releaseImage: (image: Image) => Promise<void>;
  readonly #hooks: SandboxHooks;
  readonly #requireRoom: () => Promise<void>;
  readonly #localServer: SandboxManagerOptions['localServer'];
  readonly #takeReady: SandboxManagerOptions['takeReady'];
  readonly #sandboxes = new Map<string, Sandbox>();
  /** Creations under way, which a closing host has to wait for. */
  readonly #creating = new Set<Promise<unknown>>();
  #lastStart = 0;
  #closed = false;

  constructor(options: SandboxManagerOptions) {
    const {
      engine,
      logger,
      store,
      releaseImage,
      platform,
      requireRoom,
      lifetimes = {},
      localServer,
      stopGraceMs,
    } = options;
    this.#requireRoom = requireRoom ?? (async () => {});
    this.#logger = logger;
    this.#engine = engine;
    this.#store = store;
    this.#releaseImage = releaseImage;
    this.lifetimes = lifetimes;
    this.#localServer = localServer;
    this.#takeReady = options.takeReady;
    this.#hooks = {
      platform,
      lifetimes,
      stopGraceMs,
      get canHibernate(): boolean {
        return engine.capabilities.hibernate.level !== 'absent';
      },
      start: (id) => this.#start(id),
      removeFiles: (id) => engine.removeFiles(id),
      keep: (record) => {
        if (record.state === 'gone') store.delete(record.id);
        else store.put(record.id, record);
      },
      changed: (transition) => this.#emit('transition', transition),
      measured: (id, memoryBytes) => this.#emit('measured', id, memoryBytes),
      outOfMemory: (id, processes) => this.#emit('outOfMemory', id, processes),
      expire: (id) => {
        const sandbox = this.#sandboxes.get(id);
        if (sandbox)
          this.#expire(sandbox).catch(logFailure(logger, `The deadline of sandbox ${id} could not be met`));
      },
      lost: (id) => {
        const sandbox = this.#sandboxes.get(id);
        if (sandbox) this.#endSoon(sandbox, 'lost');
      },
    };
  }

  /** @throws HostError 404. */
  get(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox || sandbox.state === 'creating' || sandbox.isEnding)
      throw new HostError(404, `Sandbox "${id}" was not found.`);
    return sandbox;
  }

  find(id: string): Sandbox | undefined {
    return this.#sandboxes.get(id);
  }

  /** Running and paused ones, oldest first. */
  list(): Sandbox[] {
    return [...this.#sandboxes.values()]
      .filter((one) => one.settings.listed && !one.isEnding)
      .filter((one) => one.state === 'running' || one.isPaused)
      .sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  }

  /** Which sandboxes have a volume. */
  usersOf(volumeId: string): string[] {
    return [...this.#sandboxes.values()]
      .filter(({ settings }) => settings.volumes.some(({ id }) => id === volumeId))
      .map(({ id }) => id);
  }

  /** What sandboxes stand on, so that it is not taken away. */
  images(): Image[] {
    return [...this.#sandboxes.values()].map((one) => one.image);
  }

  /**
   * Goes on with the sandboxes of a host before this one, which may have ended at any moment: what runs or sleeps is
   * adopted, what was half made or half ended is removed.
   */
  async recover(): Promise<void> {
    const records = [...this.#store.values()];
    for (const { startedAt } of records) this.#lastStart = Math.max(this.#lastStart, startedAt);
    await Promise.all(records.map((record) => this.#recover(record)));
    const idle = [...this.#sandboxes.values()].filter((one) => !one.record().keepsMemory);
    // What cannot be ended is no reason to let go of the others.
    await this.#engine
      .endOthers(idle.map(({ id }) => id))
      .catch(logFailure(this.#logger, 'Sandboxes that no record names could not all be ended'));
  }

  async #recover(record: SandboxRecord): Promise<void> {
    const sandbox = new Sandbox(record, this.#hooks);
    this.#sandboxes.set(sandbox.id, sandbox);
    const { state, keepsMemory, settings } = record;
    try {
      if (!settings.listed || state === 'creating' || state === 'killing') {
        await this.#end(sandbox, 'recovery');
        return;
      }
      const found = keepsMemory
        ? await this.#engine.adopt(sandbox.id, sandbox.image, this.#startOptions(sandbox))
        : undefined;
      if (keepsMemory && !found) {
        await this.#end(sandbox, 'recovery');
        return;
      }
      await sandbox.adopt(found);
      this.#emit('adopted', factsOf(sandbox.id, sandbox.settings), sandbox.state);
    } catch (error) {
      this.#logger.error({ err: error }, `Sandbox ${sandbox.id} could not be taken over`);
      // What cannot be ended now is no reason for a host not to start.
      await this.#end(sandbox, 'recovery').catch(() => {});
    }
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
    const { maxAgeMs } = this.lifetimes;
    if (settings.listed && maxAgeMs !== undefined && settings.timeoutMs > maxAgeMs) {
      throw new HostError(
        400,
        `The timeout of ${settings.timeoutMs / 1000} s is longer than the ${maxAgeMs / 1000} s this host lets a sandbox live.`,
      );
    }
    const ready = settings.listed ? await this.#claim(image, settings) : undefined;
    if (ready) return ready;
    await this.#requireRoom();
    const now = Date.now();
    const sandbox = new Sandbox(
      {
        id: newId(),
        image,
        settings,
        accessToken: settings.secure ? newToken() : undefined,
        trafficToken: settings.network.allowPublicTraffic === false ? newToken() : undefined,
        state: 'creating',
        startedAt: now,
        stateSince: now,
        endAt: now + settings.timeoutMs,
        keepsMemory: true,
        wakesOnRequest: false,
      },
      this.#hooks,
    );
    try {
      // Known before it is begun, so that a host that ends meanwhile finds what is to be removed.
      this.#store.put(sandbox.id, sandbox.record());
    } catch (cause) {
      throw new HostError(507, 'The sandbox host cannot keep what it makes: its disk may be full.', {
        cause,
      });
    }
    this.#sandboxes.set(sandbox.id, sandbox);
    try {
      await this.#timed('boot', async () => {
        await sandbox.boot();
        return sandbox;
      });
      const { start } = settings;
      if (start) {
        const given = signal ? AbortSignal.any([signal, sandbox.signal]) : sandbox.signal;
        await this.#timed('ready', async () => {
          await startAgent(sandbox, start, { signal: given });
          return sandbox;
        });
      }
      signal?.throwIfAborted();
      sandbox.ready(this.#nextStart());
      return sandbox;
    } catch (error) {
      // What fails because the sandbox was ended is not the reason.
      const reason: unknown = sandbox.signal.aborted ? sandbox.signal.reason : error;
      await this.#end(sandbox, 'failed').catch(() => {});
      throw reason;
    }
  }

  #claim(image: Image, settings: SandboxSettings): Promise<Sandbox | undefined> {
    return this.#timed('claim', async () => {
      const sandbox = await this.#takeReady?.(image, settings);
      return sandbox?.claim(settings, this.#nextStart()) ? sandbox : undefined;
    });
  }

  /** Tells how long a part of a creation took, if there is a sandbox at its end. */
  async #timed<T extends Sandbox | undefined>(
    phase: CreatePhase['phase'],
    work: () => Promise<T>,
  ): Promise<T> {
    const begun = performance.now();
    const sandbox = await work();
    if (sandbox) {
      const { id, state } = sandbox;
      this.#emit('phase', { sandboxId: id, state, phase, elapsedMs: performance.now() - begun });
    }
    return sandbox;
  }

  #start(id: string): Promise<EngineSandbox> {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new HostError(404, `Sandbox "${id}" was not found.`);
    return this.#engine.start(sandbox.id, sandbox.image, this.#startOptions(sandbox));
  }

  /**
   * A start later than every other: a caller that knows of a sandbox also knows of every one that is older, so
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
    const all = [...this.#sandboxes.values()];
    const endings = await Promise.allSettled(all.map((sandbox) => this.#end(sandbox, 'closing')));
    await Promise.allSettled(this.#creating);
    const reasons = endings.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (reasons.length > 0)
      throw new AggregateError(reasons, `${reasons.length} sandboxes could not be ended.`);
  }

  /** @throws when its processes could not be ended; that is reported, and tried again. */
  async #end(sandbox: Sandbox, cause: Cause): Promise<boolean> {
    let ended: boolean;
    try {
      ended = await sandbox.kill(cause);
    } catch (error) {
      this.#logger.error({ err: error }, `Sandbox ${sandbox.id} could not be ended, which is tried again`);
      if (!this.#closed) setTimeout(() => this.#endSoon(sandbox, cause), retryMs).unref();
      throw error;
    }
    if (this.#sandboxes.delete(sandbox.id))
      await this.#releaseImage(sandbox.image).catch(
        logFailure(this.#logger, `The image of sandbox ${sandbox.id} could not be released`),
      );
    return ended;
  }

  /** Ends a sandbox while nobody waits for that. */
  #endSoon(sandbox: Sandbox, cause: Cause): void {
    // It has been reported, and is tried again.
    this.#end(sandbox, cause).catch(() => {});
  }

  /** Tells what happened; what becomes of that is no matter of the sandbox's. */
  #emit: LifecycleEvents['emit'] = (...event) => {
    try {
      return this.events.emit(...event);
    } catch (error) {
      this.#logger.error({ err: error }, `An event could not be recorded: ${String(event[0])}`);
      return true;
    }
  };

  async #expire(sandbox: Sandbox): Promise<void> {
    const { deadline } = sandbox;
    if (!deadline) return;
    try {
      if (deadline.at > Date.now()) return sandbox.rearm();
      if (deadline.cause === 'idle' && sandbox.state === 'running') {
        const agent = await askAgent(sandbox);
        // At work, it is as if something had happened now; else since when it has not been is for it to say.
        if (agent?.busy) sandbox.activity.touch();
        else if (agent?.since !== undefined) sandbox.activity.touch(agent.since);
      }
      await this.#carryOut(sandbox, deadline);
    } catch (error) {
      sandbox.log.add('error', `Its ${deadline.cause} could not be carried out: ${String(error)}`);
      sandbox.rearm(Date.now() + retryMs);
    }
  }

  async #carryOut(sandbox: Sandbox, { action, cause }: Deadline): Promise<void> {
    // It may have been given more time, or something to do.
    const { deadline } = sandbox;
    if (!deadline || deadline.at > Date.now()) return sandbox.rearm();
    if (action === 'kill') await this.#end(sandbox, cause);
    else if (action === 'hibernate') await sandbox.hibernate(cause);
    else await sandbox.pause({ cause, memory: cause !== 'timeout' || sandbox.settings.autoPauseMemory });
  }

  #startOptions(sandbox: Sandbox): StartOptions {
    const { settings, log } = sandbox;
    const { cpuCount, memoryMB, diskMB } = settings;
    return {
      limits: { cpuCount, memoryMB, diskMB },
      network: networkPolicy(settings),
      volumes: settings.volumes,
      onNotice: (message) => log.add('warn', message),
      onRefused: (target) => log.add('warn', `Its rules do not let it reach ${target}.`),
      localServer: this.#localServer?.(sandbox),
    };
  }
}
