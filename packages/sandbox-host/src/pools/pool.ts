import type { Image } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { SandboxSettings } from '../sandboxes/sandbox-settings.js';
import { Breaker } from './circuit-breaker.js';
import type { PooledSandbox } from './pooled-sandbox.js';

/** How many sandboxes of a template wait. */
export interface PoolSize {
  /** How many always wait. */
  min: number;
  /** How many wait at most; between the two it is the number of requests within the last minute. Default: `min`. */
  max: number;
}

/** A pool, as it is told about. */
export interface PoolStatus extends PoolSize {
  template: string;
  /** How many should wait now. */
  target: number;
  ready: number;
  starting: number;
  /** Sandboxes that came from the pool, and those that had to be started although there is one. */
  hits: number;
  misses: number;
  failures: number;
  /** Until when no more are started, since starting failed again and again. */
  pausedUntil?: string | undefined;
  /** Why the last one could not be started. */
  lastError?: string | undefined;
}

/** What a pool makes: one build of its template. */
export interface PoolModel {
  image: Image;
  settings: SandboxSettings;
}

/** Demand is remembered for this long. */
const demandMs = 60_000;

/** The sandboxes that wait for one template, and how it went so far. */
export class Pool {
  readonly breaker: Breaker = new Breaker();
  starting = 0;
  hits = 0;
  misses = 0;
  #failures = 0;
  #lastError: string | undefined;
  #model: PoolModel | undefined;
  #key: string | undefined;
  #ready: PooledSandbox[] = [];
  #demand: number[] = [];

  constructor(
    readonly template: string,
    public size: PoolSize,
  ) {}

  get model(): PoolModel | undefined {
    return this.#model;
  }

  /** Makes sandboxes of this build from now on. @returns those of another one, which nobody will ask for. */
  setModel(model: PoolModel | undefined): PooledSandbox[] {
    const key = model && keyOf(model);
    this.#model = model;
    if (key === this.#key) return [];
    this.#key = key;
    return this.#ready.splice(0);
  }

  /** Whether what is asked for is what is made here. */
  serves(wanted: PoolModel): boolean {
    return this.#key !== undefined && this.#key === keyOf(wanted);
  }

  asked(now: number): void {
    this.#demand.push(now);
    if (this.#demand.length > this.size.max) this.#demand.shift();
  }

  target(now: number): number {
    this.#demand = this.#demand.filter((at) => at > now - demandMs);
    return Math.min(Math.max(this.#demand.length, this.size.min), this.size.max);
  }

  /** How many have to be started; less than zero when too many wait. */
  missing(now: number): number {
    this.#ready = this.#ready.filter((one) => one.isAlive);
    return this.target(now) - this.#ready.length - this.starting;
  }

  /** Takes one that waits and suits. */
  take(settings: SandboxSettings): PooledSandbox | undefined {
    const index = this.#ready.findIndex((one) => one.isAlive && one.suits(settings));
    return index < 0 ? undefined : this.#ready.splice(index, 1)[0];
  }

  /** Takes one that is too many. */
  takeAny(): PooledSandbox | undefined {
    return this.#ready.pop();
  }

  /** Adds one that was made after a model. @returns false when another is made by now. */
  add(made: PooledSandbox, model: PoolModel): boolean {
    this.breaker.succeeded();
    if (this.#key !== keyOf(model)) return false;
    this.#ready.push(made);
    return true;
  }

  failed(error: unknown, now: number): void {
    this.#failures += 1;
    // Only what is said to callers, too.
    this.#lastError = HostError.isInstance(error) ? error.message : 'The host failed; its log says more.';
    this.breaker.failed(now);
  }

  status(now: number): PoolStatus {
    const missing = this.missing(now);
    return {
      template: this.template,
      ...this.size,
      target: this.target(now),
      ready: this.target(now) - missing - this.starting,
      starting: this.starting,
      hits: this.hits,
      misses: this.misses,
      failures: this.#failures,
      pausedUntil: this.breaker.openUntil(now)?.toISOString(),
      lastError: this.#lastError,
    };
  }
}

/** What cannot be changed any more in a sandbox that was started. */
function keyOf({ image, settings }: PoolModel): string {
  const { templateId, start, workdir, user, cpuCount, memoryMB, diskMB } = settings;
  return JSON.stringify([image.layers, templateId, start, workdir, user, cpuCount, memoryMB, diskMB]);
}
