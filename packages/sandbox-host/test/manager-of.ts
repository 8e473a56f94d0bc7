import { join } from 'node:path';
import type { Engine } from '../src/engines/engine.js';
import type { Lifetimes } from '../src/sandboxes/deadlines.js';
import { SandboxManager } from '../src/sandboxes/sandbox-manager.js';
import { sandboxRecordSchema } from '../src/sandboxes/sandbox-record.js';
import { openJournal } from '../src/store/journal.js';

/** A manager of sandboxes that keeps its books in a directory. */
export function managerOf(engine: Engine, directory: string, lifetimes: Lifetimes = {}): SandboxManager {
  return new SandboxManager({
    engine,
    store: openJournal(join(directory, 'sandboxes.jsonl'), 'sandboxes', sandboxRecordSchema, {
      flush: false,
    }),
    releaseImage: async () => {},
    platform: { envs: {}, domain: undefined },
    lifetimes,
  });
}
