/**
 * Lets any number of calls listen to one signal, such as that of a server's shutdown, without Node taking that
 * for a leak after the tenth. Each call takes its listener away when it ends.
 */
export function raiseListenerLimit(signal: AbortSignal): void {
  // Elsewhere nobody counts, and there is nothing to import.
  globalThis.process?.getBuiltinModule?.('node:events').setMaxListeners(0, signal);
}
