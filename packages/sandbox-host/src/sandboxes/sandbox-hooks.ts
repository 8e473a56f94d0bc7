import type { EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import type { Lifetimes } from './deadlines.js';
import type { Transition } from './lifecycle-events.js';
import type { Platform } from './platform.js';
import type { Sandbox } from './sandbox.js';

/** What a sandbox needs of the host it is on. */
export interface SandboxHooks {
  readonly platform: Platform;
  readonly lifetimes: Lifetimes;
  /** How long what runs in a sandbox that ends has to end by itself; 0 for not at all. */
  readonly stopGraceMs: number;
  /** Whether this machine can put memory out of the way. */
  readonly canHibernate: boolean;
  /** Starts what it runs in, on the files it has if it has been started before. */
  start(sandbox: Sandbox): Promise<EngineSandbox>;
  removeFiles(sandbox: Sandbox): Promise<void>;
  /** Keeps its record, or drops that of one that is gone. @throws Error when the disk does not take it. */
  keep(sandbox: Sandbox): void;
  changed(transition: Transition): void;
  /** A deadline may have come. */
  expire(sandbox: Sandbox): void;
  /** What it runs in has come to an end by itself. */
  lost(sandbox: Sandbox): void;
}
