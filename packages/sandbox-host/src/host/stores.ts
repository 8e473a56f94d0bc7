import { join } from 'node:path';
import { type PoolRecord, poolRecordSchema } from '../pools/pools.js';
import { type SandboxRecord, sandboxRecordSchema } from '../sandboxes/sandbox-record.js';
import { type Journal, openJournal } from '../storage/journal.js';
import { type CachedLayer, cachedLayerSchema } from '../templates/layer-cache.js';
import { type Template, templateSchema } from '../templates/template.js';
import { type Volume, volumeSchema } from '../volumes/volume-catalog.js';

/** Everything that a host keeps from one start to the next, one file each. */
export interface Stores {
  sandboxes: Journal<SandboxRecord>;
  templates: Journal<Template>;
  layers: Journal<CachedLayer>;
  volumes: Journal<Volume>;
  pools: Journal<PoolRecord>;
  close(): void;
}

/** @throws Error when a file is damaged or of another version. */
export function openStores(directory: string): Stores {
  const file = (name: string): string => join(directory, `${name}.jsonl`);
  const stores = {
    // What it lists ends with the machine, so it need not be on its disk.
    sandboxes: openJournal(file('sandboxes'), 'sandboxes', sandboxRecordSchema, { flush: false }),
    templates: openJournal(file('templates'), 'templates', templateSchema),
    layers: openJournal(file('layers'), 'layers', cachedLayerSchema),
    volumes: openJournal(file('volumes'), 'volumes', volumeSchema),
    pools: openJournal(file('pools'), 'pools', poolRecordSchema),
  };
  return {
    ...stores,
    close() {
      for (const store of Object.values(stores)) store.close();
    },
  };
}
