import type { AdoptedSandbox, EngineSandbox, EngineStats, Image, Limits } from '../engines/engine.js';
import { HostError } from '../errors.js';
import { Activity } from './activity.js';
import { Alarm } from './alarm.js';
import { type Deadline, type IdlePolicy, nextDeadline } from './deadlines.js';
import { newToken } from './identifiers.js';
import { nextState, type SandboxEvent, type SandboxState } from './lifecycle.js';
import type { Cause } from './lifecycle-events.js';
import type { Platform } from './platform.js';
import { type ProcessRequest, ProcessTable, type SandboxProcess } from './process-table.js';
import { programEnvironment } from './program-environment.js';
import { Sampler } from './sampler.js';
import type { SandboxKeeper } from './sandbox-keeper.js';
import { SandboxLog } from './sandbox-log.js';
import type { SandboxRecord } from './sandbox-record.js';
import { type NetworkRules, networkPolicy, type SandboxSettings } from './sandbox-settings.js';
import { startAgent } from './start-agent.js';
import { TimeToLive } from './time-to-live.js';

/** Why a sandbox is paused or resumed, and whether its processes are kept. Default: the caller wants it, and yes. */
export interface HowOptions {
  cause?: Cause | undefined;
  memory?: boolean | undefined;
}

/** Steps that say what is about to be done, so that a host that ends in the midst of it knows what to finish. */
const intents: readonly SandboxState[] = ['pausing', 'resuming'];

/** One sandbox: what is known about it, and its operations one at a time. */
export class Sandbox {
  readonly id: string;
  readonly image: Image;
  readonly processes: ProcessTable = new ProcessTable();
  readonly log: SandboxLog = new SandboxLog();
  readonly activity: Activity = new Activity();
  readonly sampler: Sampler;
  readonly #keeper: SandboxKeeper;
  readonly #record: SandboxRecord;
  readonly #life: TimeToLive;
  readonly #alarm: Alarm = new Alarm(() => this.#keeper.strike(this));
  readonly #ending = new AbortController();
  #engine: EngineSandbox | undefined;
  /** Its server is being started anew, which needs what callers cannot have yet. */
  #booting = false;
  #oomKills = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(record: SandboxRecord, keeper: SandboxKeeper) {
    this.id = record.id;
    this.image = record.image;
    this.#record = record;
    this.#keeper = keeper;
    this.#life = new TimeToLive(record.endAt, record.stoppedAt);
    this.sampler = new Sampler(() => this.#stats(), record.settings.cpuCount);
  }

  get state(): SandboxState {
    return this.#record.state;
  }

  get stateSince(): Date {
    return new Date(this.#record.stateSince);
  }

  get settings(): SandboxSettings {
    return this.#record.settings;
  }

  get accessToken(): string | undefined {
    return this.#record.accessToken;
  }

  get trafficToken(): string | undefined {
    return this.#record.trafficToken;
  }

  get platform(): Platform {
    return this.#keeper.platform;
  }

  /** When it began to run, and so to be listed. */
  get startedAt(): Date {
    return new Date(this.#record.startedAt);
  }

  /** When the timeout strikes; for a paused sandbox, when it would have. */
  get endAt(): Date {
    return new Date(this.#life.endAt);
  }

  /** How long it has to live when it runs; a pause takes nothing away. */
  get leftMs(): number {
    return this.#life.leftMs;
  }

  /** Aborts when the sandbox ends. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Processes that were killed so far because it had no memory left, as far as has been seen. */
  get oomKills(): number {
    return this.#oomKills;
  }

  /** Whether it does not run but can be made to. */
  get isPaused(): boolean {
    return ['pausing', 'paused', 'hibernated', 'resuming'].includes(this.state);
  }

  /** Whether a request for it wakes it when it is paused. */
  get wakesOnRequest(): boolean {
    return this.#record.dozes || this.settings.autoResume;
  }

  /** What becomes of it when nothing happens in it. */
  get idlePolicy(): IdlePolicy | undefined {
    const { idle } = this.#record;
    if (!this.settings.listed || idle === null) return undefined;
    return idle ?? this.#keeper.lifetimes.idle;
  }

  /** What it is held to; undefined where nothing is, or where it has not begun. */
  get limits(): Limits | undefined {
    return this.#engine?.limits;
  }

  /** The running sandbox. @throws HostError 404 or 409 when it is not running. */
  get engine(): EngineSandbox {
    if (this.isPaused && !this.#booting)
      throw new HostError(409, `Sandbox "${this.id}" is paused; connect to it to resume it.`);
    if (!this.#engine || this.state === 'killing' || this.state === 'gone') {
      throw new HostError(404, `Sandbox "${this.id}" is not running any more.`);
    }
    return this.#engine;
  }

  /** What is to happen to it next unless something else happens before. */
  get deadline(): Deadline | undefined {
    const { settings, state, startedAt, stateSince, keepsMemory } = this.#record;
    const { maxAgeMs, hibernateAfterMs } = this.#keeper.lifetimes;
    return nextDeadline(
      {
        state,
        startedAt,
        stateSince,
        endAt: this.#life.endAt,
        onTimeout: settings.autoPause ? 'pause' : 'kill',
        idleSince: this.activity.idleSince,
        keepsMemory,
      },
      {
        maxAgeMs: settings.listed ? maxAgeMs : undefined,
        hibernateAfterMs: this.#keeper.canHibernate ? hibernateAfterMs : undefined,
        // What waits in a pool is idle by its nature.
        idle: settings.listed ? this.idlePolicy : undefined,
      },
    );
  }

  /** Everything that is kept of it. */
  record(): SandboxRecord {
    return { ...this.#record, endAt: this.#life.endAt, stoppedAt: this.#life.stoppedAt };
  }

  /** Changes what was asked for when it was made. */
  change(settings: Partial<SandboxSettings>): void {
    Object.assign(this.#record.settings, settings);
    this.#keep();
  }

  /** Replaces what it may connect to, now and for the rest of its life. @throws HostError 400 for rules that are none. */
  setNetwork(
    rules: Pick<NetworkRules, 'allowOut' | 'denyOut'>,
    allowInternetAccess: boolean | undefined,
  ): Promise<void> {
    return this.#oneAtATime(async () => {
      const network = { ...this.settings.network, ...rules };
      await this.#engine?.setNetwork(networkPolicy({ network, allowInternetAccess }));
      this.change({ network, allowInternetAccess });
    });
  }

  /** @param policy - `null` for none, undefined for the host's. */
  setIdlePolicy(policy: IdlePolicy | null | undefined): void {
    this.#record.idle = policy;
    this.activity.touch();
    this.#keep();
  }

  /** Starts what it runs in: programs can be started then, and it is still being made. */
  boot(): Promise<void> {
    return this.#oneAtATime(async () => {
      // Ended before it was begun.
      if (this.state !== 'creating') throw notFound(this.id);
      this.#run(await this.#keeper.start(this));
    });
  }

  /** Ends its making and starts the clock. */
  ready(startedAt: Date): void {
    this.#record.startedAt = startedAt.getTime();
    this.activity.touch();
    this.#live(this.settings.timeoutMs);
    this.#step('created', 'caller');
  }

  /** Makes one that was made before it was asked for somebody's. @returns false when it does not run any more. */
  claim(settings: SandboxSettings, startedAt: Date): boolean {
    if (this.state !== 'running') return false;
    const { secure, network } = settings;
    this.#record.settings = settings;
    this.#record.accessToken = secure ? (this.accessToken ?? newToken()) : undefined;
    this.#record.trafficToken = network.allowPublicTraffic === false ? newToken() : undefined;
    this.#record.startedAt = startedAt.getTime();
    this.activity.touch();
    this.setTimeout(settings.timeoutMs);
    return true;
  }

  /** Goes on with what a host before this one left of it; what was under way is brought to its end. */
  adopt(found: AdoptedSandbox | undefined): Promise<void> {
    return this.#oneAtATime(async () => {
      const { state, keepsMemory } = this.#record;
      if (!keepsMemory) {
        if (state === 'pausing') this.#step('paused', 'recovery');
        if (state === 'resuming') this.#step('failed', 'recovery');
      } else if (found) {
        this.#run(found.sandbox);
        const processes = found.processes.then((list) => {
          for (const { request, output } of this.processes.adopt(list)) {
            if (request.logged) void this.log.follow(output);
          }
        });
        if (state === 'running' || state === 'resuming') {
          // It may have been stopped for a moment, to copy its files.
          await found.sandbox.thaw();
          await processes;
        } else if (state !== 'hibernated') await found.sandbox.freeze();
        if (state === 'pausing') this.#step('paused', 'recovery');
        if (state === 'resuming') this.#step('resumed', 'recovery');
      }
      this.rearm();
    });
  }

  /** Lets the sandbox live this much longer from now, within what the host allows. */
  setTimeout(timeoutMs: number): void {
    this.activity.touch();
    this.#live(timeoutMs);
    this.#keep();
  }

  /** Lets it live at least this much longer. */
  extendTimeout(timeoutMs: number): void {
    this.activity.touch();
    if (timeoutMs > this.#life.leftMs) this.setTimeout(timeoutMs);
  }

  /** Sees to it that the next deadline strikes; `at` is when to look in any case. */
  rearm(at: number | undefined = this.deadline?.at): void {
    this.#alarm.set(at);
  }

  /** Starts a program, with the sandbox's environment under the program's own. */
  async start(request: ProcessRequest): Promise<SandboxProcess> {
    return this.processes.start(this.engine, request, programEnvironment(this, request));
  }

  /**
   * Stops it where it stands; with `memory: false` its processes end and its files are kept.
   *
   * @returns false when it was paused already, or is not idle any more when it was to be paused for that.
   */
  pause({ cause = 'caller', memory = true }: HowOptions = {}): Promise<boolean> {
    return this.#oneAtATime(() => this.#pause(cause, { memory, dozes: cause === 'idle' }));
  }

  /** Pauses it, if it runs, and puts its memory out of the way. @returns whether that can be done here. */
  hibernate(cause: Cause = 'caller'): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.state === 'hibernated') return true;
      if (this.state === 'running') {
        if (!(await this.#pause(cause, { memory: true, dozes: true }))) return false;
      }
      if (!this.#engine || !this.#keeper.canHibernate) return false;
      await this.#engine.hibernate();
      this.#step('hibernated', cause);
      return true;
    });
  }

  /**
   * Goes on with it and gives it this long to live.
   *
   * @param memory - `false` ends the processes it has, so that it starts anew.
   * @returns false when it was running already.
   */
  resume(timeoutMs: number, { cause = 'caller', memory = true }: HowOptions = {}): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.state === 'running') return false;
      const { leftMs } = this.#life;
      const engine = memory ? this.#engine : undefined;
      this.#record.keepsMemory = engine !== undefined;
      this.#life.run();
      this.#live(timeoutMs);
      try {
        this.#step('resume', cause);
        if (engine) await engine.thaw();
        else await this.#bootAgain();
      } catch (error) {
        this.#record.keepsMemory = this.#engine !== undefined;
        this.#life.set(leftMs);
        this.#life.stop();
        if (this.state === 'resuming') this.#step('failed', cause);
        throw error;
      }
      Object.assign(this.#record, { keepsMemory: true, dozes: false });
      this.activity.touch();
      this.#step('resumed', cause);
      return true;
    });
  }

  /** Goes on with it because a request came: with the time it had left, or what it was given at first. */
  wake(): Promise<boolean> {
    return this.resume(Math.max(this.leftMs, this.settings.timeoutMs), { cause: 'request' });
  }

  /** Keeps its files as they are at one moment; it stands still meanwhile. Whether it is paused does not change. */
  checkpoint(): Promise<Image> {
    return this.#oneAtATime(async () => {
      const engine = this.#engine;
      if (this.state === 'paused' && !engine) {
        throw new HostError(409, `Only the files of sandbox "${this.id}" are kept: resume it first.`);
      }
      if (!engine || !['running', 'paused', 'hibernated'].includes(this.state)) throw notFound(this.id);
      if (this.state !== 'running') return engine.checkpoint();
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
      if (this.state === 'gone') return false;
      this.sampler.stop();
      if (this.state !== 'killing') this.#step('kill', cause);
      if (this.#engine) await this.#engine.destroy();
      else await this.#keeper.removeFiles(this);
      this.#step('killed', cause);
      return true;
    });
  }

  async #pause(cause: Cause, how: { memory: boolean; dozes: boolean }): Promise<boolean> {
    if (this.state === 'paused' || this.state === 'hibernated') return false;
    if (cause === 'idle' && this.activity.idleSince === undefined) return false;
    Object.assign(this.#record, { keepsMemory: how.memory, dozes: how.dozes });
    this.#life.stop();
    try {
      this.#step('pause', cause);
      if (how.memory) await this.#engine?.freeze();
      else await this.#dropMemory();
    } catch (error) {
      Object.assign(this.#record, { keepsMemory: true, dozes: false });
      this.#life.run();
      if (this.state === 'pausing') this.#step('failed', cause);
      throw error;
    }
    this.#step('paused', cause);
    return true;
  }

  #run(engine: EngineSandbox): void {
    this.#engine = engine;
    this.#sayLimits(engine);
    void engine.lost.then(() => {
      if (this.#engine === engine) this.#keeper.lost(this);
    });
  }

  /** Ends its processes; its files stay. */
  async #dropMemory(): Promise<void> {
    const engine = this.#engine;
    // Its end is no loss.
    this.#engine = undefined;
    try {
      await engine?.destroy({ keepFiles: true });
    } catch (error) {
      this.#engine = engine;
      throw error;
    }
  }

  async #bootAgain(): Promise<void> {
    await this.#dropMemory();
    this.#booting = true;
    try {
      this.#run(await this.#keeper.start(this));
      if (this.settings.start) await startAgent(this, this.settings.start, this.signal);
    } catch (error) {
      await this.#dropMemory();
      throw error;
    } finally {
      this.#booting = false;
    }
  }

  #live(timeoutMs: number): void {
    const { maxAgeMs = Number.POSITIVE_INFINITY } = this.settings.listed ? this.#keeper.lifetimes : {};
    this.#life.set(Math.min(timeoutMs, this.#record.startedAt + maxAgeMs - Date.now()));
  }

  async #stats(): Promise<EngineStats> {
    if (!this.#engine || this.state === 'killing' || this.state === 'gone') throw notFound(this.id);
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
    const { state: from, stateSince } = this.#record;
    const to = nextState(from, event);
    if (!to) {
      throw from === 'gone' || from === 'killing'
        ? notFound(this.id)
        : new HostError(409, `Sandbox "${this.id}" is ${from}: it cannot ${event} now.`);
    }
    const now = Date.now();
    Object.assign(this.#record, { state: to, stateSince: now });
    try {
      this.#keeper.keep(this);
    } catch (cause) {
      if (intents.includes(to)) {
        Object.assign(this.#record, { state: from, stateSince });
        throw new HostError(
          507,
          'The sandbox host cannot keep what it is about to do: its disk may be full.',
          {
            cause,
          },
        );
      }
      // It has happened, and is brought to its end again if the host ends before it can be kept.
      this.log.add('error', `The state ${to} could not be kept.`);
    }
    this.rearm();
    this.#keeper.changed({ sandbox: this, event, from, to, cause, elapsedMs: now - stateSince });
  }

  #keep(): void {
    this.#keeper.keep(this);
    this.rearm();
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
