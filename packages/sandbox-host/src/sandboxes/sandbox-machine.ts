import type { EngineSandbox, EngineStats } from '../engines/engine.js';
import type { SandboxLog } from './sandbox-log.js';
import type { SandboxSettings } from './sandbox-settings.js';

/** What a sandbox runs in, while there is something, and what of it the sandbox's log should tell. */
export class SandboxMachine {
  #engine: EngineSandbox | undefined;
  #oomKills = 0;

  constructor(
    private readonly log: SandboxLog,
    /** What it runs in has come to an end by itself. */
    private readonly onLost: () => void,
  ) {}

  get engine(): EngineSandbox | undefined {
    return this.#engine;
  }

  /** Processes that were killed so far because it had no memory left, as far as has been seen. */
  get oomKills(): number {
    return this.#oomKills;
  }

  run(engine: EngineSandbox, { cpuCount, memoryMB }: SandboxSettings): void {
    this.#engine = engine;
    const { limits } = engine;
    if (limits && (limits.cpuCount < cpuCount || limits.memoryMB < memoryMB)) {
      this.log.add(
        'warn',
        `The template asks for ${cpuCount} CPU and ${memoryMB} MB; this machine gives ${limits.cpuCount} and ${limits.memoryMB}.`,
      );
    }
    void engine.lost.then(() => {
      if (this.#engine === engine) this.onLost();
    });
  }

  /** Ends its processes; its files stay. */
  async dropMemory(): Promise<void> {
    const engine = this.#engine;
    // Its end is no loss.
    this.#engine = undefined;
    try {
      await engine?.destroy({ keepFiles: true });
    } catch (error) {
      this.#engine = engine;
      throw error;
    }
  }

  /** @returns undefined where there is nothing to use anything. */
  async stats(): Promise<EngineStats | undefined> {
    const engine = this.#engine;
    if (!engine) return undefined;
    const stats = await engine.stats();
    if (stats.oomKills > this.#oomKills) {
      const killed = stats.oomKills - this.#oomKills;
      this.#oomKills = stats.oomKills;
      this.log.add('error', `Out of memory: ${killed} killed at the limit of ${engine.limits?.memoryMB} MB.`);
    }
    return stats;
  }
}
