import type { EventEmitter } from 'node:events';
import type { MachineChange } from '@sandpiper/sandbox-engine/engine';

/** Tells what the machine took away from sandboxes. Listeners must not throw. */
export type MachineEvents = EventEmitter<{ change: [MachineChange] }>;
