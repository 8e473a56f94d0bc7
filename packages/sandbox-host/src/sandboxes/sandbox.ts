import type { EngineSandbox, EngineStats, Image } from '../engines/engine.js';
import { HostError } from '../errors.js';
import { nextState, type SandboxEvent, type SandboxState } from './lifecycle.js';
import type { Cause, Transition } from './lifecycle-events.js';
import type { Platform } from './platform.js';
import { type ProcessRequest, ProcessTable, type SandboxProcess } from './process-table.js';
import { Sampler } from './sampler.js';
import { SandboxLog } from './sandbox-log.js';
import type { SandboxSettings } from './sandbox-settings.js';

/** What makes a sandbox the one it is, for as long as it lives. */
export interface SandboxIdentity {
  id: string;
  image: Image;
  /** Opens the sandbox's own API. */
  accessToken: string | undefined;
  /** Opens ports that are not public. */
  trafficToken: string | undefined;
}

/** Whoever has to know what happens to a sandbox. */
export interface SandboxObserver {
  changed(transition: Transition): void;
  /** The timeout has struck. */
  expired(sandbox: Sandbox): void;
}

/** One sandbox: what is known about it, and its operations one at a time. */
export class Sandbox {
  readonly id: string;
  readonly image: Image;
  readonly accessToken: string | undefined;
  readonly trafficToken: string | undefined;
  readonly processes: ProcessTable = new ProcessTable();
  readonly log: SandboxLog = new SandboxLog();
  readonly sampler: Sampler;
  /** When it began to run, and so to be listed. */
  startedAt: Date = new Date();
  /** When the timeout strikes; for a paused sandbox, when it would have. */
  endAt: Date;
  #state: SandboxState = 'creating';
  #stateSince = performance.now();
  #engine: EngineSandbox | undefined;
  #oomKills = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  readonly #ending = new AbortController();

  constructor(
    identity: SandboxIdentity,
    /** Replaced as a whole when a sandbox that was made before it was asked for becomes somebody's. */
    public settings: SandboxSettings,
    readonly platform: Platform,
    private readonly observer: SandboxObserver,
  ) {
    this.id = identity.id;
    this.image = identity.image;
    this.accessToken = identity.accessToken;
    this.trafficToken = identity.trafficToken;
    this.endAt = new Date(Date.now() + settings.timeoutMs);
    this.sampler = new Sampler(() => this.#stats(), settings.cpuCount);
  }

  get state(): SandboxState {
    return this.#state;
  }

  /** Aborts when the sandbox ends. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Whether it does not run but can be made to. */
  get isPaused(): boolean {
    return ['pausing', 'paused', 'hibernated', 'resuming'].includes(this.#state);
  }

  /** The running sandbox. @throws HostError 404 or 409 when it is not running. */
  get engine(): EngineSandbox {
    if (!this.#engine || this.#state === 'killing' || this.#state === 'gone') {
      throw new HostError(404, `Sandbox "${this.id}" is not running any more.`);
    }
    if (this.isPaused)
      throw new HostError(409, `Sandbox "${this.id}" is paused; connect to it to resume it.`);
    return this.#engine;
  }

  /** Starts what it runs in: programs can be started then, and it is still being made. */
  boot(start: () => Promise<EngineSandbox>): Promise<EngineSandbox> {
    return this.#oneAtATime(async () => {
      // Ended before it was begun.
      if (this.#state !== 'creating') throw notFound(this.id);
      this.#engine = await start();
      this.#sayLimits(this.#engine);
      return this.#engine;
    });
  }

  /** Ends its making and starts the clock. */
  ready(startedAt: Date): void {
    this.#step('created', 'caller');
    this.startedAt = startedAt;
    this.setTimeout(this.settings.timeoutMs);
  }

  /** Lets the sandbox live this much longer from now. */
  setTimeout(timeoutMs: number): void {
    this.endAt = new Date(Date.now() + timeoutMs);
    clearTimeout(this.#timer);
    if (this.#state !== 'running') return;
    // Node's timers count to 2^31 ms; a longer wait is taken in steps.
    const wait = Math.min(timeoutMs, 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      const left = this.endAt.getTime() - Date.now();
      if (left > 0) this.setTimeout(left);
      else this.observer.expired(this);
    }, wait);
    this.#timer.unref();
  }

  /** Lets it live at least this much longer. */
  extendTimeout(timeoutMs: number): void {
    if (Date.now() + timeoutMs > this.endAt.getTime()) this.setTimeout(timeoutMs);
  }

  /** Starts a program, with the sandbox's environment under the program's own. */
  async start(request: ProcessRequest): Promise<SandboxProcess> {
    const home = request.user === 'root' ? '/root' : '/home/user';
    const env = {
      PATH: '/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      SHELL: '/bin/bash',
      HOME: home,
      USER: request.user,
      LOGNAME: request.user,
      E2B_SANDBOX: 'true',
      E2B_SANDBOX_ID: this.id,
      E2B_TEMPLATE_ID: this.settings.templateId,
      ...this.platform.envs,
      ...this.settings.envs,
      ...request.envs,
    };
    return this.processes.start(this.engine, request, env);
  }

  /** Freezes it. @returns false when it was paused already. */
  pause(cause: Cause = 'caller'): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.#state === 'paused' || this.#state === 'hibernated') return false;
      this.#step('pause', cause);
      clearTimeout(this.#timer);
      try {
        await this.#engine?.freeze();
      } catch (error) {
        this.#step('failed', cause);
        this.setTimeout(this.endAt.getTime() - Date.now());
        throw error;
      }
      this.#step('paused', cause);
      return true;
    });
  }

  /** Thaws it and gives it this long to live. @returns false when it was running already. */
  resume(timeoutMs: number, cause: Cause = 'caller'): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.#state === 'running') return false;
      this.#step('resume', cause);
      try {
        await this.#engine?.thaw();
      } catch (error) {
        this.#step('failed', cause);
        throw error;
      }
      this.#step('resumed', cause);
      this.setTimeout(timeoutMs);
      return true;
    });
  }

  /** Keeps its files as they are at one moment; it stands still meanwhile. Whether it is paused does not change. */
  checkpoint(): Promise<Image> {
    return this.#oneAtATime(async () => {
      const engine = this.#engine;
      if (!engine || (this.#state !== 'running' && this.#state !== 'paused')) throw notFound(this.id);
      if (this.#state === 'paused') return engine.checkpoint();
      await engine.freeze();
      try {
        return await engine.checkpoint();
      } finally {
        await engine.thaw();
      }
    });
  }

  /** Ends it. @returns false when that had been done. */
  kill(cause: Cause = 'caller'): Promise<boolean> {
    // Whoever waits for something in it need not any longer.
    this.#ending.abort(notFound(this.id));
    return this.#oneAtATime(async () => {
      if (this.#state === 'gone') return false;
      clearTimeout(this.#timer);
      this.sampler.stop();
      if (this.#state !== 'killing') this.#step('kill', cause);
      await this.#engine?.destroy();
      this.#step('killed', cause);
      return true;
    });
  }

  async #stats(): Promise<EngineStats> {
    if (!this.#engine || this.#state === 'killing' || this.#state === 'gone') throw notFound(this.id);
    const stats = await this.#engine.stats();
    if (stats.oomKills > this.#oomKills) {
      const killed = stats.oomKills - this.#oomKills;
      this.#oomKills = stats.oomKills;
      const limit = this.#engine.limits?.memoryMB;
      this.log.add('error', `Out of memory: ${killed} killed at the limit of ${limit} MB.`);
    }
    return stats;
  }

  #sayLimits({ limits }: EngineSandbox): void {
    const { cpuCount, memoryMB } = this.settings;
    if (!limits || (limits.cpuCount >= cpuCount && limits.memoryMB >= memoryMB)) return;
    this.log.add(
      'warn',
      `The template asks for ${cpuCount} CPU and ${memoryMB} MB; this machine gives ${limits.cpuCount} and ${limits.memoryMB}.`,
    );
  }

  #step(event: SandboxEvent, cause: Cause): void {
    const from = this.#state;
    const to = nextState(from, event);
    if (!to) {
      throw from === 'gone' || from === 'killing'
        ? notFound(this.id)
        : new HostError(409, `Sandbox "${this.id}" is ${from}: it cannot ${event} now.`);
    }
    const now = performance.now();
    const elapsedMs = now - this.#stateSince;
    this.#state = to;
    this.#stateSince = now;
    this.observer.changed({ sandbox: this, event, from, to, cause, elapsedMs });
  }

  #oneAtATime<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => {});
    return result;
  }
}

function notFound(id: string): HostError {
  return new HostError(404, `Sandbox "${id}" was not found.`);
}
