/** The process's environment, or an empty one where there is no process (Workers). */
export function environment(): Record<string, string | undefined> {
  return globalThis.process?.env ?? {};
}
