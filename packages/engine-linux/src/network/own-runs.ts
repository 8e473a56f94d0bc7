/** Numbers of the last processes that changed the network for this host: by these its own changes are told from others'. */
const ownRuns = new Set<number>();
const runsKnown = 256;

/** Notes that a process is one of this host's tools. */
export function noteOwnRun(pid: number): void {
  ownRuns.add(pid);
  for (const oldest of ownRuns) if (ownRuns.size > runsKnown) ownRuns.delete(oldest);
}

/** Whether a process was one of this host's tools. */
export function isOwnRun(pid: number): boolean {
  return ownRuns.has(pid);
}
