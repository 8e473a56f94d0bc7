import type { EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import type { Transition } from '../events/lifecycle-events.js';
import type { Lifetimes } from './deadlines.js';
import type { Platform } from './platform.js';
import type { SandboxRecord } from './sandbox-record.js';

/** What a sandbox needs of the host it is on, and what it reports to it. */
export interface SandboxHooks {
  readonly platform: Platform;
  readonly lifetimes: Lifetimes;
  /** How long what runs in a sandbox that ends has to end by itself; 0 for not at all. */
  readonly stopGraceMs: number;
  /** Whether this machine can put memory out of the way at this moment: its swap may be turned off. */
  readonly canHibernate: boolean;
  /** Starts what it runs in, on the files it has if it has been started before. */
  start(id: string): Promise<EngineSandbox>;
  removeFiles(id: string): Promise<void>;
  /** Keeps a record, or drops that of a sandbox that is gone. @throws Error when the disk does not take it. */
  keep(record: SandboxRecord): void;
  changed(transition: Transition): void;
  measured(id: string, memoryBytes: number): void;
  outOfMemory(id: string, processes: number): void;
  /** A deadline may have come. */
  expire(id: string): void;
  /** What it runs in has come to an end by itself. */
  lost(id: string): void;
}
