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
   * The memory it is limited to, as a Kubernetes quantity (`512Mi`, `1Gi`). Default: its template's. Our own host sets
   * it for a sandbox; other platforms for a template: unless that has the same, creation fails with a
   * `SandboxCreationError`. So it does when the session exists and its sandbox has another limit.
   */
  memoryLimit?: string | undefined;
  /** The processors it is limited to, as a Kubernetes quantity (`500m`, `1`); as with memory. */
  cpuLimit?: string | undefined;
  /** Environment variables of everything that runs in it. */
  envVars?: Record<string, string> | undefined;
  volumes?: readonly SandboxVolume[] | undefined;
  /** Ports in use; the agent listens on the first. Default: `[8080]`. */
  ports?: readonly number[] | undefined;
}
