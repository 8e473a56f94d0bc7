import type { EngineSandbox, EngineStats, Image } from '../engines/engine.js';
import type { SandboxUser } from '../engines/user.js';
import { HostError } from '../errors.js';
import { nextState, type SandboxEvent, type SandboxState } from './lifecycle.js';
import type { Platform } from './platform.js';
import { type ProcessRequest, ProcessTable, type SandboxProcess } from './process-table.js';
import { Sampler } from './sampler.js';
import { SandboxLog } from './sandbox-log.js';

/** What may reach a sandbox and what it may reach, as it was asked for. */
export interface NetworkRules {
  allowOut?: string[] | undefined;
  denyOut?: string[] | undefined;
  /** Whether its ports are open to whoever knows its id. Default: true. */
  allowPublicTraffic?: boolean | undefined;
  /** The `Host` header requests arrive with in the sandbox; `${PORT}` stands for the port. */
  maskRequestHost?: string | undefined;
}

/** How a sandbox is to be. */
export interface SandboxSettings {
  templateId: string;
  /** The name the template was asked for by. */
  alias: string | undefined;
  metadata: Record<string, string>;
  /** Environment of every command: the template's, then the caller's. */
  envs: Record<string, string>;
  /** Where commands run that do not say where. */
  workdir: string;
  /** As whom commands run that do not say. */
  user: SandboxUser;
  timeoutMs: number;
  autoPause: boolean;
  autoResume: boolean;
  network: NetworkRules;
  allowInternetAccess: boolean | undefined;
  /** Whether calls into the sandbox need its token. */
  secure: boolean;
  cpuCount: number;
  memoryMB: number;
  /** The server that is started in it, if the template has one. */
  start: StartCommand | undefined;
  /** Whether it is somebody's, or the host's own for making a template. */
  listed: boolean;
}

/** A server that is started in each new sandbox, and the command that tells when it is ready. */
export interface StartCommand {
  startCmd: string;
  readyCmd: string | undefined;
}

/** How a sandbox is when nothing else is said. */
export const defaultSettings: Omit<SandboxSettings, 'templateId'> = {
  alias: undefined,
  metadata: {},
  envs: {},
  workdir: '/home/user',
  user: 'user',
  timeoutMs: 300_000,
  autoPause: false,
  autoResume: false,
  network: {},
  allowInternetAccess: undefined,
  secure: true,
  cpuCount: 2,
  memoryMB: 512,
  start: undefined,
  listed: true,
};

/** One sandbox: what is known about it, and its operations one at a time. */
export class Sandbox {
  readonly processes: ProcessTable = new ProcessTable();
  readonly log: SandboxLog = new SandboxLog();
  readonly sampler: Sampler;
  /** When it began to run, and so to be listed. */
  startedAt: Date = new Date();
  /** When the timeout strikes; for a paused sandbox, when it would have. */
  endAt: Date;
  #state: SandboxState = 'creating';
  #engine: EngineSandbox | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  readonly #ending = new AbortController();

  constructor(
    readonly id: string,
    readonly settings: SandboxSettings,
    readonly image: Image,
    /** Opens the sandbox's own API. */
    readonly accessToken: string | undefined,
    /** Opens ports that are not public. */
    readonly trafficToken: string | undefined,
    readonly platform: Platform,
    private readonly onTimeout: (sandbox: Sandbox) => void,
  ) {
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

  get isPaused(): boolean {
    return this.#state === 'paused' || this.#state === 'resuming' || this.#state === 'pausing';
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

  /** Takes the engine's sandbox and starts the clock. */
  started(engine: EngineSandbox, startedAt: Date): void {
    this.#engine = engine;
    this.#step('created');
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
      else this.onTimeout(this);
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
  pause(): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.#state === 'paused') return false;
      this.#step('pause');
      clearTimeout(this.#timer);
      try {
        await this.#engine?.freeze();
      } catch (error) {
        this.#step('failed');
        this.setTimeout(this.endAt.getTime() - Date.now());
        throw error;
      }
      this.#step('paused');
      return true;
    });
  }

  /** Thaws it and gives it this long to live. @returns false when it was running already. */
  resume(timeoutMs: number): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.#state === 'running') return false;
      this.#step('resume');
      try {
        await this.#engine?.thaw();
      } catch (error) {
        this.#step('failed');
        throw error;
      }
      this.#step('resumed');
      this.setTimeout(timeoutMs);
      return true;
    });
  }

  /** Keeps its files as they are at one moment; it stands still meanwhile. Whether it is paused does not change. */
  checkpoint(): Promise<Image> {
    return this.#oneAtATime(async () => {
      const engine = this.#engine;
      if (!engine || (this.#state !== 'running' && this.#state !== 'paused')) {
        throw new HostError(404, `Sandbox "${this.id}" was not found.`);
      }
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
  kill(): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.#state === 'gone') return false;
      clearTimeout(this.#timer);
      this.sampler.stop();
      this.#ending.abort();
      this.#step('kill');
      await this.#engine?.destroy();
      this.#step('killed');
      return true;
    });
  }

  async #stats(): Promise<EngineStats> {
    if (!this.#engine || this.#state === 'killing' || this.#state === 'gone') {
      throw new HostError(404, `Sandbox "${this.id}" was not found.`);
    }
    return this.#engine.stats();
  }

  #step(event: SandboxEvent): void {
    const next = nextState(this.#state, event);
    if (!next) {
      throw this.#state === 'gone' || this.#state === 'killing'
        ? new HostError(404, `Sandbox "${this.id}" was not found.`)
        : new HostError(409, `Sandbox "${this.id}" is ${this.#state}: it cannot ${event} now.`);
    }
    this.#state = next;
  }

  #oneAtATime<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => {});
    return result;
  }
}
