import type { EngineSandbox, EngineStats } from '@sandpiper/sandbox-engine/engine';
import type { SandboxLog } from './sandbox-log.js';
import type { SandboxSettings } from './sandbox-settings.js';

/** In which words limits are told. */
const units = [
  ['CPU', 'cpuCount'],
  ['MB of memory', 'memoryMB'],
  ['MB of disk', 'diskMB'],
] as const;

/** What a sandbox runs in, while there is something, and what of it the sandbox's log should tell. */
export class SandboxMachine {
  #engine: EngineSandbox | undefined;
  #oomKills = 0;

  constructor(
    private readonly log: SandboxLog,
    private readonly report: {
      /** What it runs in has come to an end by itself. */
      lost: () => void;
      outOfMemory: (processes: number) => void;
    },
  ) {}

  get engine(): EngineSandbox | undefined {
    return this.#engine;
  }

  run(engine: EngineSandbox, settings: SandboxSettings): void {
    this.#engine = engine;
    for (const [what, name] of units) {
      const { [name]: asked } = settings;
      const { [name]: given = asked } = engine.limits;
      if (given < asked)
        this.log.add('warn', `The template asks for ${asked} ${what}; this machine gives ${given}.`);
    }
    engine.lost
      .then(() => {
        if (this.#engine === engine) this.report.lost();
      })
      .catch((error: unknown) => this.log.add('error', `Its end could not be seen: ${String(error)}`));
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
      this.report.outOfMemory(killed);
      this.log.add('error', `Out of memory: ${killed} killed at the limit of ${engine.limits.memoryMB} MB.`);
    }
    return stats;
  }
}
