/** What a host tells all of its sandboxes and their callers. */
export interface Platform {
  /** Part of every program's environment, under the sandbox's own. */
  readonly envs: Record<string, string>;
  /** Where ports are reached as `<port>-<id>.<domain>`; undefined when sandboxes are named by headers only. */
  readonly domain: string | undefined;
}
