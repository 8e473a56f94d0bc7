/** A volume of the platform, and where it appears in the sandbox. */
export interface SandboxVolume {
  name: string;
  path: string;
}

/** What a sandbox is to be like. */
export interface SandboxConfig {
  /** How long the sandbox lives unless it is refreshed, in milliseconds. Default: 300,000. */
  lifetimeMs?: number | undefined;
  /**
   * The least memory it must have, as a Kubernetes quantity (`512Mi`, `1Gi`). A platform gives what its template says; a
   * sandbox with less is refused.
   */
  memoryLimit?: string | undefined;
  /** The fewest processors it must have, as a Kubernetes quantity (`500m`, `1`); as with memory. */
  cpuLimit?: string | undefined;
  /** Environment variables of everything that runs in it. */
  envVars?: Record<string, string> | undefined;
  volumes?: readonly SandboxVolume[] | undefined;
  /** Ports in use; the agent listens on the first. Default: `[8080]`. */
  ports?: readonly number[] | undefined;
}
