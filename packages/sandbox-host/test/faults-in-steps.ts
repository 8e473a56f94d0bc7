import { vi } from 'vitest';

/** Which steps of the host's fail: told their names, `<module>.<function>`, each time before they are carried out. */
export interface StepFaults {
  /** Default: none. */
  fails: (step: string) => boolean;
  /** Every step that was carried out. */
  seen: Set<string>;
}

/** The error of a step that was made to fail. */
export class InjectedFault extends Error {
  constructor(step: string) {
    super(`EIO: ${step} was made to fail`);
  }
}

/** Has every function of a module ask first whether it is to fail, for `vi.mock`. What does not fail is the real part. */
export async function withFaults<T extends object>(
  faults: StepFaults,
  module: string,
  importOriginal: () => Promise<T>,
): Promise<T> {
  const original = await importOriginal();
  const ask = (name: string): void => {
    const step = `${module}.${name}`;
    faults.seen.add(step);
    if (faults.fails(step)) throw new InjectedFault(step);
  };
  const wrapped = Object.entries(original).map(([name, value]) => {
    if (typeof value !== 'function' || isClass(value)) return [name, value];
    // As the part itself would: a promise that rejects, not an error from the call.
    const isAsync = value.constructor.name === 'AsyncFunction';
    const faulty = (...args: unknown[]): unknown => {
      if (!isAsync) ask(name);
      return isAsync
        ? Promise.resolve()
            .then(() => ask(name))
            .then(() => value(...args))
        : value(...args);
    };
    return [name, faulty];
  });
  return Object.fromEntries(wrapped);
}

/** The same of a method. */
export function withFaultyMethod(faults: StepFaults, step: string, owner: object, method: string): void {
  const target = owner as Record<string, (...args: unknown[]) => unknown>;
  const real = target[method];
  if (!real) throw new Error(`There is no ${method}.`);
  vi.spyOn(target, method).mockImplementation(function (this: unknown, ...args) {
    faults.seen.add(step);
    const isAsync = real.constructor.name === 'AsyncFunction';
    if (!faults.fails(step)) return real.apply(this, args);
    if (isAsync) return Promise.reject(new InjectedFault(step));
    throw new InjectedFault(step);
  });
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}
