/** Reads an environment variable; empty is unset. Not every runtime has `process`. */
export function readEnvironment(name: string): string | undefined {
  return globalThis.process?.env?.[name] || undefined;
}
