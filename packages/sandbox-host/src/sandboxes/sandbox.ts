import { setMaxListeners } from 'node:events';
import type {
  AdoptedSandbox,
  EngineSandbox,
  EngineStats,
  Image,
  Limits,
} from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { keyId } from '../events/key-id.js';
import type { Cause, SandboxEvent, SandboxState } from '../events/lifecycle-events.js';
import { Activity } from './activity.js';
import type { Deadline, IdlePolicy } from './deadlines.js';
import { newToken } from './identifiers.js';
import type { Platform } from './platform.js';
import { type ProcessRequest, ProcessTable, type SandboxProcess } from './process-table.js';
import { programEnvironment } from './program-environment.js';
import { Sampler } from './sampler.js';
import type { SandboxHooks } from './sandbox-hooks.js';
import { notFound, SandboxLife } from './sandbox-life.js';
import { SandboxLog } from './sandbox-log.js';
import { SandboxMachine } from './sandbox-machine.js';
import type { SandboxRecord } from './sandbox-record.js';
import { type NetworkRules, networkPolicy, type SandboxSettings } from './sandbox-settings.js';
import { startAgent } from './start-agent.js';
import { stopProcesses } from './stop-processes.js';

/** Why a sandbox is paused or resumed, and whether its processes are kept. Default: the caller wants it, and yes. */
export interface HowOptions {
  cause?: Cause | undefined;
  memory?: boolean | undefined;
}

/** One sandbox: what is known about it, and its operations one at a time. */
export class Sandbox {
  readonly id: string;
  readonly image: Image;
  readonly processes: ProcessTable = new ProcessTable();
  readonly log: SandboxLog = new SandboxLog();
  readonly activity: Activity = new Activity();
  readonly sampler: Sampler;
  readonly #hooks: SandboxHooks;
  readonly #life: SandboxLife;
  readonly #machine: SandboxMachine;
  readonly #ending = new AbortController();
  /** Its server is being started again, which needs what callers cannot have yet. */
  #booting = false;
  #queue: Promise<unknown> = Promise.resolve();
  /** There when it was taken over: settles when the processes that it had are known. */
  #adopted: Promise<void> | undefined;
  /** Hashed once: each request reports one. */
  #tokenIds: {
    accessToken?: string | undefined;
    trafficToken?: string | undefined;
    ids: { envd: string | undefined; port: string | undefined };
  } = { ids: { envd: undefined, port: undefined } };

  constructor(record: SandboxRecord, hooks: SandboxHooks) {
    // Each stream that is followed listens for the end of its sandbox.
    setMaxListeners(0, this.#ending.signal);
    this.id = record.id;
    this.image = record.image;
    this.#hooks = hooks;
    this.#life = new SandboxLife(record, { activity: this.activity, log: this.log, hooks });
    this.#machine = new SandboxMachine(this.log, {
      lost: () => hooks.lost(record.id),
      outOfMemory: (processes) => hooks.outOfMemory(record.id, processes),
    });
    this.sampler = new Sampler(() => this.#stats(), record.settings.cpuCount);
  }

  get state(): SandboxState {
    return this.#life.record.state;
  }

  get stateSince(): Date {
    return new Date(this.#life.record.stateSince);
  }

  get settings(): SandboxSettings {
    return this.#life.record.settings;
  }

  get accessToken(): string | undefined {
    return this.#life.record.accessToken;
  }

  get trafficToken(): string | undefined {
    return this.#life.record.trafficToken;
  }

  /** Names the tokens without giving them away, for events; undefined where none is needed. */
  get tokenIds(): { envd: string | undefined; port: string | undefined } {
    const { accessToken, trafficToken } = this.#life.record;
    if (this.#tokenIds.accessToken !== accessToken || this.#tokenIds.trafficToken !== trafficToken) {
      const envd = accessToken === undefined ? undefined : keyId('access', accessToken);
      const port = trafficToken === undefined ? undefined : keyId('traffic', trafficToken);
      this.#tokenIds = { accessToken, trafficToken, ids: { envd, port } };
    }
    return this.#tokenIds.ids;
  }

  get platform(): Platform {
    return this.#hooks.platform;
  }

  /** When it began to run, and so to be listed. */
  get startedAt(): Date {
    return new Date(this.#life.record.startedAt);
  }

  /** When the timeout expires; for a paused sandbox, when it would have. */
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

  /** Whether its end has begun: from then on no request reaches it. */
  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Whether it does not run but can be made to. */
  get isPaused(): boolean {
    return ['pausing', 'paused', 'hibernated', 'resuming'].includes(this.state);
  }

  /** Whether a request for it wakes it when it is paused. */
  get wakesOnRequest(): boolean {
    return this.#life.record.wakesOnRequest || this.settings.autoResume;
  }

  /** How long its server and commands have to end by themselves; 0 where they are not asked to. */
  get stopGraceMs(): number {
    return this.#hooks.stopGraceMs;
  }

  /** What becomes of it when nothing happens in it. */
  get idlePolicy(): IdlePolicy | undefined {
    return this.#life.idlePolicy;
  }

  /** What it is held to; undefined where nothing is, or where it has not begun. */
  get limits(): Partial<Limits> | undefined {
    return this.#machine.engine?.limits;
  }

  /** The running sandbox. @throws HostError 404 or 409 when it is not running. */
  get engine(): EngineSandbox {
    if (this.isPaused && !this.#booting)
      throw new HostError(409, `Sandbox "${this.id}" is paused; connect to it to resume it.`);
    if (!this.#machine.engine || this.state === 'killing' || this.state === 'gone') {
      throw new HostError(404, `Sandbox "${this.id}" is not running any more.`);
    }
    return this.#machine.engine;
  }

  /** @throws HostError 404 or 409 when it is not running. */
  assertRunning(): void {
    this.engine;
  }

  /** What is to happen to it next unless something else happens before. */
  get deadline(): Deadline | undefined {
    return this.#life.deadline;
  }

  /** Everything that is kept of it. */
  record(): SandboxRecord {
    return this.#life.whole();
  }

  /** Changes what was asked for when it was made. */
  change(settings: Partial<SandboxSettings>): void {
    this.#life.change(() => Object.assign(this.#life.record.settings, settings));
  }

  /** Replaces what it may connect to, now and for the rest of its life. @throws HostError 400 for rules that are none. */
  setNetwork(
    rules: Pick<NetworkRules, 'allowOut' | 'denyOut'>,
    allowInternetAccess: boolean | undefined,
  ): Promise<void> {
    return this.#oneAtATime(async () => {
      const network = { ...this.settings.network, ...rules };
      const before = networkPolicy(this.settings);
      await this.#machine.engine?.setNetwork(networkPolicy({ network, allowInternetAccess }));
      try {
        this.change({ network, allowInternetAccess });
      } catch (error) {
        await this.#machine.engine?.setNetwork(before);
        throw error;
      }
    });
  }

  /** @param policy - `null` for none, undefined for the host's. */
  setIdlePolicy(policy: IdlePolicy | null | undefined): void {
    this.activity.touch();
    this.#life.change(() => {
      this.#life.record.idle = policy;
    });
  }

  /** Starts what it runs in: programs can be started then, and it is still being made. */
  boot(): Promise<void> {
    return this.#oneAtATime(async () => {
      // Ended before it was begun.
      if (this.state !== 'creating') throw notFound(this.id);
      this.#run(await this.#hooks.start(this.id));
    });
  }

  /** Ends its making and starts the clock. */
  ready(startedAt: Date): void {
    this.#life.record.startedAt = startedAt.getTime();
    this.activity.touch();
    this.#life.give(this.settings.timeoutMs);
    this.#step('created', 'caller');
  }

  /** Makes one that was made before it was asked for somebody's. @returns false when it does not run any more. */
  claim(settings: SandboxSettings, startedAt: Date): boolean {
    if (this.state !== 'running') return false;
    const { secure, network } = settings;
    this.activity.touch();
    this.#life.change(() => {
      Object.assign(this.#life.record, {
        settings,
        accessToken: secure ? (this.accessToken ?? newToken()) : undefined,
        trafficToken: network.allowPublicTraffic === false ? newToken() : undefined,
        startedAt: startedAt.getTime(),
      });
      this.#life.give(settings.timeoutMs);
    });
    return true;
  }

  /** Goes on with what a host before this one left of it; what was under way is brought to its end. */
  adopt(found: AdoptedSandbox | undefined): Promise<void> {
    return this.#oneAtATime(async () => {
      const { state, keepsMemory } = this.#life.record;
      if (!keepsMemory) {
        if (state === 'pausing') this.#step('paused', 'recovery');
        if (state === 'resuming') this.#step('failed', 'recovery');
      } else if (found) {
        this.#run(found.sandbox);
        const unread = (error: unknown): void =>
          this.log.add('error', `The output of a process could not be read: ${String(error)}`);
        const processes = found.processes.then((list) => {
          for (const { request, output } of this.processes.adopt(list)) {
            if (request.logged) this.log.follow(output).catch(unread);
          }
        });
        // What is frozen tells of them when it goes on.
        processes.catch(unread);
        this.#adopted = processes;
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
    this.#life.change(() => this.#life.give(timeoutMs));
  }

  /** Lets it live at least this much longer. */
  extendTimeout(timeoutMs: number): void {
    this.activity.touch();
    if (timeoutMs > this.#life.leftMs) this.setTimeout(timeoutMs);
  }

  /** Sees to it that the next deadline expires; `at` is when to look in any case. */
  rearm(at?: number): void {
    this.#life.rearm(at);
  }

  /** Starts a program, with the sandbox's environment under the program's own. */
  async start(request: ProcessRequest): Promise<SandboxProcess> {
    return this.processes.start(this.engine, request, this.#environment(request));
  }

  /**
   * Stops it where it stands; with `memory: false` its processes end and its files are kept.
   *
   * @returns false when it was paused already, or is not idle any more when it was to be paused for that.
   */
  pause({ cause = 'caller', memory = true }: HowOptions = {}): Promise<boolean> {
    return this.#oneAtATime(() => this.#pause(cause, { memory, wakesOnRequest: cause === 'idle' }));
  }

  /** Pauses it, if it runs, and puts its memory out of the way. @returns whether that can be done here. */
  hibernate(cause: Cause = 'caller'): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.state === 'hibernated') return true;
      if (this.state === 'running') {
        if (!(await this.#pause(cause, { memory: true, wakesOnRequest: true }))) return false;
      }
      if (!this.#machine.engine || !this.#hooks.canHibernate) return false;
      await this.#machine.engine.hibernate();
      this.#step('hibernated', cause);
      return true;
    });
  }

  /**
   * Goes on with it and gives it this long to live.
   *
   * @param memory - `false` ends the processes it has, so that it starts again.
   * @returns false when it was running already.
   */
  resume(timeoutMs: number, { cause = 'caller', memory = true }: HowOptions = {}): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (this.state === 'running') return false;
      const { leftMs } = this.#life;
      const engine = memory ? this.#machine.engine : undefined;
      this.#life.record.keepsMemory = engine !== undefined;
      this.#life.runClock();
      this.#life.give(timeoutMs);
      try {
        this.#step('resume', cause);
        if (engine) await engine.thaw();
        else await this.#bootAgain();
      } catch (error) {
        this.#life.record.keepsMemory = this.#machine.engine !== undefined;
        this.#life.stopClockAt(leftMs);
        if (this.state === 'resuming') this.#step('failed', cause);
        throw error;
      }
      Object.assign(this.#life.record, { keepsMemory: true, wakesOnRequest: false });
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
      const engine = this.#machine.engine;
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

  /** Ends it: what was started in it has {@link stopGraceMs} to end by itself. @returns false when that had been done. */
  kill(cause: Cause = 'caller'): Promise<boolean> {
    // Callers that wait for something in it need not any longer.
    this.#ending.abort(notFound(this.id));
    return this.#oneAtATime(async () => {
      if (this.state === 'gone') return false;
      this.sampler.stop();
      const was = this.state;
      if (was !== 'killing') this.#step('kill', cause);
      if (cause !== 'lost') await this.#stopProcesses(was);
      if (this.#machine.engine) await this.#machine.engine.destroy();
      else await this.#hooks.removeFiles(this.id);
      this.#step('killed', cause);
      return true;
    });
  }

  async #pause(cause: Cause, how: { memory: boolean; wakesOnRequest: boolean }): Promise<boolean> {
    if (this.state === 'paused' || this.state === 'hibernated') return false;
    if (cause === 'idle' && this.activity.idleSince === undefined) return false;
    Object.assign(this.#life.record, { keepsMemory: how.memory, wakesOnRequest: how.wakesOnRequest });
    this.#life.stopClock();
    try {
      this.#step('pause', cause);
      if (how.memory) await this.#machine.engine?.freeze();
      else {
        await this.#stopProcesses('running');
        await this.#machine.dropMemory();
      }
    } catch (error) {
      Object.assign(this.#life.record, { keepsMemory: true, wakesOnRequest: false });
      this.#life.runClock();
      if (this.state === 'pausing') this.#step('failed', cause);
      throw error;
    }
    this.#step('paused', cause);
    return true;
  }

  /**
   * Lets what was started in it end by itself, where it is somebody's. A paused sandbox goes on for that. A hibernated one
   * does not: its memory was put away since the machine needs the room, which many that end at once would take again.
   */
  async #stopProcesses(was: SandboxState): Promise<void> {
    const { engine } = this.#machine;
    if (!engine || !this.settings.listed || this.stopGraceMs === 0) return;
    if (was === 'running') return stopProcesses(this);
    if (was !== 'paused' || (!this.#adopted && this.processes.running().length === 0)) return;
    await stopProcesses(this, async () => {
      await engine.thaw();
      await this.#adopted;
    });
  }

  #step(event: SandboxEvent, cause: Cause): void {
    this.#life.step(event, cause);
    // What it uses before it is paused, and after.
    if (['pausing', 'paused', 'hibernated'].includes(this.state)) this.sampler.take().catch(() => {});
  }

  #environment(request: ProcessRequest): Record<string, string> {
    const { templateId, envs } = this.settings;
    return programEnvironment({ id: this.id, templateId, envs, platformEnvs: this.platform.envs }, request);
  }

  #run(engine: EngineSandbox): void {
    this.#machine.run(engine, this.settings);
  }

  async #bootAgain(): Promise<void> {
    await this.#machine.dropMemory();
    this.#booting = true;
    try {
      this.#run(await this.#hooks.start(this.id));
      if (this.settings.start) await startAgent(this, this.settings.start, { signal: this.signal });
    } catch (error) {
      await this.#machine.dropMemory();
      throw error;
    } finally {
      this.#booting = false;
    }
  }

  async #stats(): Promise<EngineStats> {
    const ends = this.state === 'killing' || this.state === 'gone';
    const stats = ends ? undefined : await this.#machine.stats();
    if (!stats) throw notFound(this.id);
    if (!this.isEnding) this.#hooks.measured(this.id, stats.memoryBytes);
    return stats;
  }

  #oneAtATime<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => {});
    return result;
  }
}
