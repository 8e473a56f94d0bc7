import { join } from 'node:path';
import type { Engine } from '@sandpiper/sandbox-engine/engine';
import { SandboxManager, type SandboxManagerOptions } from '../src/sandboxes/sandbox-manager.js';
import { type SandboxRecord, sandboxRecordSchema } from '../src/sandboxes/sandbox-record.js';
import { type Journal, openJournal } from '../src/storage/journal.js';

/** Where a manager of sandboxes keeps its books. */
export function recordsIn(directory: string): Journal<SandboxRecord> {
  return openJournal(join(directory, 'sandboxes.jsonl'), 'sandboxes', sandboxRecordSchema, { flush: false });
}

/** A manager of sandboxes that keeps its books in a directory. */
export function managerOf(
  engine: Engine,
  directory: string,
  options: Partial<SandboxManagerOptions> = {},
): SandboxManager {
  return new SandboxManager({
    engine,
    logger: console,
    store: recordsIn(directory),
    releaseImage: async () => {},
    stopGraceMs: 1_000,
    platform: { envs: {}, domain: undefined },
    ...options,
  });
}
