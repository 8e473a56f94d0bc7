import type { AsyncLocalStorage } from 'node:async_hooks';
import type { RequestContext } from './request-context.js';

// Asked for at run time, not imported: where a platform has none, only the implicit context is missing.
const Storage = globalThis.process?.getBuiltinModule?.('node:async_hooks')?.AsyncLocalStorage;

const storage: AsyncLocalStorage<RequestContext | undefined> | undefined = Storage && new Storage();

/** Finds the context of the request that the calling code is working on. */
export const AgentRuntimeContext = {
  /**
   * The context of the current request, or undefined outside of one.
   *
   * @example
   * ```ts
   * const id = AgentRuntimeContext.getCurrentContext()?.requestId;
   * ```
   */
  getCurrentContext(): RequestContext | undefined {
    return storage?.getStore();
  },

  /** Makes a context the current one for the rest of this asynchronous flow: for tests, and code that a queue calls. */
  setCurrentContext(context: RequestContext): void {
    storage?.enterWith(context);
  },

  /** Leaves the rest of this asynchronous flow without a context. */
  clearCurrentContext(): void {
    storage?.enterWith(undefined);
  },
};

/** Runs a function, and everything asynchronous it starts, under a context. */
export function runInContext<T>(context: RequestContext, run: () => T): T {
  return storage ? storage.run(context, run) : run();
}
