import type { EngineStats } from '@sandpiper/sandbox-engine/engine';

/** What a sandbox used at one moment. */
export interface Sample {
  /** Unix milliseconds. */
  at: number;
  /** Of all the processors it has, since the sample before; 0 to 100. */
  cpuPercent: number;
  memoryBytes: number;
  cacheBytes: number;
  diskUsedBytes: number;
  diskTotalBytes: number;
}

const intervalMs = 5_000;
/** An hour of samples. */
const samplesKept = 720;

/** Samples what a sandbox uses, every five seconds and whenever somebody asks. */
export class Sampler {
  readonly #samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;
  #last: { at: number; cpuMs: number } | undefined;

  constructor(
    private readonly stats: () => Promise<EngineStats>,
    private readonly cpuCount: number,
  ) {
    this.#timer = setInterval(() => this.take().catch(() => {}), intervalMs);
    this.#timer.unref();
  }

  async take(): Promise<void> {
    const { cpuMs, memoryBytes, cacheBytes, diskUsedBytes, diskTotalBytes } = await this.stats();
    const at = Date.now();
    const { at: before, cpuMs: used } = this.#last ?? { at, cpuMs };
    this.#last = { at, cpuMs };
    const share = at > before ? (cpuMs - used) / (at - before) / this.cpuCount : 0;
    // Processes that have ended take their time with them, so it can seem to run backwards.
    const cpuPercent = Math.round(Math.min(Math.max(share, 0), 1) * 10_000) / 100;
    this.#samples.push({ at, cpuPercent, memoryBytes, cacheBytes, diskUsedBytes, diskTotalBytes });
    if (this.#samples.length > samplesKept) this.#samples.shift();
  }

  samples(): readonly Sample[] {
    return this.#samples;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
