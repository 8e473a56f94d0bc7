/** The part of the time an agent has to end in which it may finish what it has begun; its stop hooks need the rest. */
const drainPart = 0.4;

/**
 * Tells agents made with `@sandpiper/agent-runtime` how long they may finish what they have begun when they get SIGTERM.
 * Their own default is longer than they have in a sandbox that ends, and their stop hooks come after that.
 */
export function drainEnvironment(stopGraceMs: number): Record<string, string> {
  return stopGraceMs === 0
    ? {}
    : { AGENT_RUNTIME_SHUTDOWN_GRACE_MS: String(Math.floor(stopGraceMs * drainPart)) };
}
