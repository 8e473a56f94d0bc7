import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { startLinuxEngine } from '../src/linux-engine.js';

/** The engine that is tested here. */
export const start = (directory: string): Promise<LocalEngine> =>
  startLinuxEngine({ logger: console, directory });

/** The same, with sandboxes that outlive the process it is in. */
export const startKeeping = (directory: string): Promise<LocalEngine> =>
  startLinuxEngine({ logger: console, directory, keepSandboxes: true });
