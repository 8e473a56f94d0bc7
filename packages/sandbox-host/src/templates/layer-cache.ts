import { createHash } from 'node:crypto';
import type { Image } from '@sandpiper/sandbox-engine/engine';
import * as z from 'zod';
import type { Collection } from '../storage/journal.js';
import type { BuildState, BuildStep } from './build-steps.js';

/** What a step of a build made, and how it is found again. */
export interface CachedLayer {
  key: string;
  image: Image;
  bytes: number;
  /** Counts up: the lower, the longer ago it was used. */
  usedAt: number;
}

/** Checks a cached layer that comes from a file. */
export const cachedLayerSchema: z.ZodType<CachedLayer> = z.object({
  key: z.string(),
  image: z.object({ layers: z.array(z.string()) }),
  bytes: z.number(),
  usedAt: z.number(),
});

/** How much is kept. */
export interface LayerCacheLimits {
  count: number;
  bytes: number;
}

const defaultLimits: LayerCacheLimits = { count: 500, bytes: 10 * 2 ** 30 };

/** What is needed to keep layers, and to let them go. */
export interface LayerCacheOptions {
  store: Collection<CachedLayer>;
  /** How much room the last layer of an image takes, in bytes. */
  measure: (image: Image) => Promise<number>;
  /** Told when an image is not kept here any more; who else uses it goes on to. */
  release: (image: Image) => Promise<void>;
  limits?: LayerCacheLimits;
}

/**
 * What the steps of builds made, so that the same step on the same ground is not carried out again. The ground is named
 * by its layers, not by how they were made: what was made again has new ones, and so have all steps upon it.
 */
export class LayerCache {
  readonly #options: LayerCacheOptions;
  #clock = 0;

  constructor(options: LayerCacheOptions) {
    this.#options = options;
    for (const { usedAt } of options.store.values()) this.#clock = Math.max(this.#clock, usedAt);
  }

  /** What a step made of an image before. */
  find(key: string): Image | undefined {
    const found = this.#options.store.get(key);
    if (found) this.#options.store.put(key, { ...found, usedAt: ++this.#clock });
    return found?.image;
  }

  /** Keeps what a step made; what was not used for longest makes room for it. */
  async put(key: string, image: Image): Promise<void> {
    const { store, measure, release, limits = defaultLimits } = this.#options;
    const bytes = await measure(image);
    const before = store.get(key)?.image;
    store.put(key, { key, image, bytes, usedAt: ++this.#clock });
    if (before) await release(before);
    const byAge = [...store.values()].sort((a, b) => b.usedAt - a.usedAt);
    let sum = 0;
    for (const [index, layer] of byAge.entries()) {
      sum += layer.bytes;
      // The newest stays, whatever its size: the build goes on from it.
      if (index === 0 || (index < limits.count && sum <= limits.bytes)) continue;
      if (store.delete(layer.key)) await release(layer.image);
    }
  }

  images(): Image[] {
    return [...this.#options.store.values()].map(({ image }) => image);
  }
}

/** Names what a step does to an image: by all that it depends on. */
export function layerKey(image: Image, state: BuildState, { type, args, filesHash }: BuildStep): string {
  const { envs, workdir, user } = state;
  const sorted = Object.entries(envs).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = [image.layers, sorted, workdir, user, type.toUpperCase(), args, filesHash ?? ''];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
