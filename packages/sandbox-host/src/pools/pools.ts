import { availableParallelism } from 'node:os';
import type { Image } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { type Logger, logFailure } from '@sandpiper/sandbox-engine/logger';
import * as z from 'zod';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { SandboxManager } from '../sandboxes/sandbox-manager.js';
import type { SandboxSettings } from '../sandboxes/sandbox-settings.js';
import type { Collection } from '../storage/journal.js';
import type { TemplateCatalog } from '../templates/template-catalog.js';
import { templateSettings } from '../templates/template-settings.js';
import { Pool, type PoolModel, type PoolSize, type PoolStatus } from './pool.js';
import { PooledSandbox } from './pooled-sandbox.js';

/** Between two looks at what is too many, outdated or to be tried again. */
const tickMs = 1_000;

const count = z.int().min(0).max(1_000);
const sizeFields = { min: count, max: count.optional() };

/** Checks what a pool is asked to be. */
export const poolSizeSchema: z.ZodType<PoolSize, { min: number; max?: number | undefined }> = z
  .strictObject(sizeFields)
  .transform(({ min, max = min }) => ({ min, max }))
  .refine(({ min, max }) => min <= max, { path: ['max'], message: 'must not be less than min' });

/** How many sandboxes of a template are to wait with their agent started, for `createSandboxHost`. */
export interface PoolOption {
  /** How many always wait. */
  min: number;
  /** How many wait at most; between the two it is the number of requests within the last minute. Default: `min`. */
  max?: number;
}

/** What is kept of a pool from one start of the host to the next. */
export interface PoolRecord extends PoolSize {
  template: string;
}

/** Checks a pool that comes from a file. */
export const poolRecordSchema: z.ZodType<PoolRecord> = z.object({
  template: z.string(),
  min: count,
  max: count,
});

/** How long the caller that got a sandbox has to use it before the machine is busy with the next. */
const restMs = 200;

/** Keeps sandboxes of some templates ready, each with its agent started, for the next caller. */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #making = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  /** Others who start sandboxes at the same time are to have half of the machine at least. */
  readonly #atOnce = Math.max(1, Math.floor(availableParallelism() / 2));

  constructor(
    private readonly manager: SandboxManager,
    private readonly catalog: TemplateCatalog,
    private readonly records: Collection<PoolRecord>,
    private readonly logger: Logger,
  ) {
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  /**
   * Begins to fill the pools: these, and those that were set before. A template that is not there yet is waited for.
   *
   * @param sizes - Checked with the other options of the host.
   * @throws Error when the disk does not take them; they are filled all the same.
   */
  start(sizes: Record<string, PoolOption> = {}): void {
    const kept = [...this.records.values()];
    const asked = Object.entries(sizes).map(([template, size]) => ({
      template,
      ...poolSizeSchema.parse(size),
    }));
    for (const { template, min, max } of [...kept, ...asked])
      this.#pools.set(template, new Pool(template, { min, max }));
    this.#tick();
    for (const record of asked) this.records.put(record.template, record);
  }

  /**
   * Sets how many sandboxes of a template are to wait; none ends its pool.
   *
   * @throws HostError 404 when there is no such template.
   */
  set(template: string, size: PoolSize): PoolStatus {
    if (size.max > 0) this.catalog.resolve(template);
    if (size.max > 0) this.records.put(template, { template, ...size });
    else this.records.delete(template);
    const pool = this.#pools.get(template) ?? new Pool(template, size);
    pool.size = size;
    if (size.max > 0) this.#pools.set(template, pool);
    else {
      this.#end(pool.setModel(undefined));
      this.#pools.delete(template);
    }
    this.#tick();
    return pool.status(Date.now());
  }

  list(): PoolStatus[] {
    return [...this.#pools.values()].map((pool) => pool.status(Date.now()));
  }

  /** Takes a sandbox that waits and makes its agent the caller's; undefined where one has to be started. */
  async take(image: Image, settings: SandboxSettings): Promise<Sandbox | undefined> {
    const pool = [...this.#pools.values()].find((one) => one.serves({ image, settings }));
    if (!pool) return undefined;
    pool.asked(Date.now());
    try {
      for (let made = pool.take(settings); made; made = pool.take(settings)) {
        try {
          await made.bind(settings);
        } catch (error) {
          this.logger.error({ err: error }, `Sandbox ${made.sandbox.id} of a pool could not be bound`);
          pool.failed(error, Date.now());
          this.#end([made]);
          continue;
        }
        if (!made.isAlive) continue;
        pool.hits += 1;
        return made.sandbox;
      }
      pool.misses += 1;
      return undefined;
    } finally {
      setTimeout(() => this.#fill(), restMs).unref();
    }
  }

  /** Stops filling the pools; what waits ends with its host. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort(new HostError(503, 'The sandbox host is closing.'));
    await Promise.allSettled(this.#making);
  }

  #tick(): void {
    const now = Date.now();
    for (const pool of this.#pools.values()) {
      this.#end(pool.setModel(this.#modelOf(pool)));
      for (let extra = -pool.missing(now); extra > 0; extra--) {
        const made = pool.takeAny();
        if (made) this.#end([made]);
      }
    }
    this.#fill();
  }

  /** The build its template means now; undefined while there is none. */
  #modelOf({ template }: Pool): PoolModel | undefined {
    try {
      const found = this.catalog.resolve(template);
      return { image: found.result.image, settings: templateSettings(found) };
    } catch {
      return undefined;
    }
  }

  /** Starts what is missing, the emptiest pool first, few at a time. */
  #fill(): void {
    const now = Date.now();
    while (this.#making.size < this.#atOnce && !this.#closing.signal.aborted) {
      const [pool] = [...this.#pools.values()]
        .filter((one) => one.model && one.missing(now) > 0 && !one.breaker.isOpen(now))
        .sort((a, b) => b.missing(now) - a.missing(now));
      if (!pool?.model) return;
      const making = this.#make(pool, pool.model).finally(() => {
        this.#making.delete(making);
        this.#fill();
      });
      this.#making.add(making);
    }
  }

  async #make(pool: Pool, model: PoolModel): Promise<void> {
    pool.starting += 1;
    try {
      const { image, settings } = model;
      const made = await PooledSandbox.make(this.manager, image, settings, this.#closing.signal);
      if (!pool.add(made, model)) this.#end([made]);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      if (!HostError.isInstance(error))
        this.logger.error({ err: error }, 'A sandbox of a pool could not be made');
      pool.failed(error, Date.now());
    } finally {
      pool.starting -= 1;
    }
  }

  #end(ended: PooledSandbox[]): void {
    for (const { sandbox } of ended)
      this.manager
        .kill(sandbox.id)
        .catch(logFailure(this.logger, `Sandbox ${sandbox.id} of a pool could not be ended`));
  }
}
