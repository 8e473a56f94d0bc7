import { AsyncLocalStorage } from 'node:async_hooks';
import type * as e2b from 'e2b';
import type { PublicMethods } from './public-methods.js';

/** What became of the calls of one method. */
export interface Outcome {
  succeeded: number;
  errors: Error[];
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Notes what tests call of an SDK and what comes of it. Its code runs as it is: methods are only looked at from
 * outside, and what they call of each other does not count. It stays so for as long as the process lives, since the
 * SDK keeps some methods once they were asked for.
 */
export class CallRecord {
  readonly outcomes: Map<string, Outcome> = new Map();
  /** The SDK, its functions noted, too. */
  readonly sdk: typeof e2b;
  readonly #inside = new AsyncLocalStorage<true>();
  readonly #known = new Set<object>();

  constructor(
    sdk: typeof e2b,
    private readonly methods: PublicMethods,
  ) {
    const functions = Object.entries(sdk).filter(([name]) => methods.names.includes(name));
    const noted = functions.map(([name, value]) => [name, this.#note(name, value as Method)]);
    this.sdk = { ...sdk, ...Object.fromEntries(noted) };
    for (const value of Object.values(sdk)) if (typeof value === 'function') this.#watch(value);
  }

  /** Notes the calls of a class, and of those it extends. */
  #watch(type: object): void {
    for (let at = type; at instanceof Function && at.name; at = Object.getPrototypeOf(at)) {
      const prototype: unknown = at.prototype;
      if (!this.methods.classes.has(at.name) || !(prototype instanceof Object)) continue;
      if (this.#known.has(prototype)) continue;
      this.#known.add(prototype);
      this.#wrap(at, `${at.name}.`);
      this.#wrap(prototype, `${at.name}#`);
    }
  }

  #wrap(holder: object, prefix: string): void {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      const key = prefix + name;
      if (typeof property.value !== 'function' || !this.methods.names.includes(key)) continue;
      Object.defineProperty(holder, name, { ...property, value: this.#note(key, property.value) });
    }
  }

  #note(key: string, method: Method): Method {
    const record = this;
    return function (...args) {
      if (record.#inside.getStore()) return method.apply(this, args);
      const outcome = record.outcomes.get(key) ?? { succeeded: 0, errors: [] };
      record.outcomes.set(key, outcome);
      const succeed = <T>(value: T): T => {
        outcome.succeeded++;
        record.#discover(value);
        return value;
      };
      const fail = (error: unknown): never => {
        outcome.errors.push(error as Error);
        throw error;
      };
      let result: unknown;
      try {
        result = record.#inside.run(true, () => method.apply(this, args));
      } catch (error) {
        return fail(error);
      }
      return result instanceof Promise ? result.then(succeed, fail) : succeed(result);
    };
  }

  /** Classes that the SDK does not export are known by the objects that it hands out, and by what these hold. */
  #discover(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    for (const held of [value, ...Object.values(value)]) {
      const type = (held as object | undefined | null)?.constructor;
      if (type) this.#watch(type);
    }
  }
}
