import { Sandbox, type SandboxInfo } from 'e2b';
import * as z from 'zod';
import { SandboxOperationError } from '../errors/sandbox-operation-error.js';
import { SessionNotFoundError } from '../errors/session-not-found-error.js';
import type { Platform } from '../platform/platform.js';
import { PlatformAnswer, translate } from '../platform/platform-error.js';
import { ownSandboxes } from './sandbox-labels.js';
import type { SandboxLimits } from './sandbox-limits.js';

/** What is used of the platform's knowledge of a sandbox. Listed rows lack the domain. */
export type SandboxRecord = Pick<
  SandboxInfo,
  'sandboxId' | 'templateId' | 'metadata' | 'startedAt' | 'endAt' | 'state' | 'sandboxDomain'
>;

/** What E2B's API says of a sandbox's size, and in `limits` what our host enforces: a part of a processor, too. */
const limitsSchema = z.looseObject({
  memoryMB: z.number(),
  cpuCount: z.number(),
  limits: z.object({ memoryMB: z.number().optional(), cpuCount: z.number().optional() }).optional(),
});

/** What the platform can be asked about existing sandboxes, with our errors instead of the SDK's. */
export class SandboxApi {
  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** @throws SessionNotFoundError when there is no such sandbox. */
  info(sandboxId: string, signal?: AbortSignal): Promise<SandboxInfo> {
    return this.#try(`look up sandbox ${sandboxId}`, sandboxId, signal, () =>
      Sandbox.getInfo(sandboxId, this.#platform.options(signal)),
    );
  }

  /** What the platform holds a sandbox to. */
  limits(sandboxId: string, signal: AbortSignal): Promise<Required<SandboxLimits>> {
    return this.#try(`look up the limits of sandbox ${sandboxId}`, sandboxId, signal, async () => {
      const { data, error, response } = await this.#platform.api().GET('/sandboxes/{sandboxID}', {
        params: { path: { sandboxID: sandboxId } },
        signal: AbortSignal.any([signal, this.#platform.requestSignal()]),
      });
      if (data === undefined) throw new PlatformAnswer(response.status, error);
      const { memoryMB, cpuCount, limits } = limitsSchema.parse(data);
      return { memoryMB, cpuCount, ...limits };
    });
  }

  /**
   * The sandbox itself; a paused one is resumed by this.
   *
   * @param timeoutMs - How long it lives from now on; a running one's time is not cut short by it.
   */
  connect(sandboxId: string, timeoutMs: number, signal?: AbortSignal): Promise<Sandbox> {
    return this.#try(`connect to sandbox ${sandboxId}`, sandboxId, signal, () =>
      Sandbox.connect(sandboxId, { ...this.#platform.options(signal), timeoutMs }),
    );
  }

  /** @returns false when it was paused already. */
  pause(sandboxId: string, keepMemory: boolean | undefined, signal?: AbortSignal): Promise<boolean> {
    return this.#try(`pause sandbox ${sandboxId}`, sandboxId, signal, () =>
      Sandbox.pause(sandboxId, {
        ...this.#platform.options(signal),
        ...(keepMemory !== undefined && { keepMemory }),
      }),
    );
  }

  /** @returns false when there was nothing to kill. */
  kill(sandboxId: string): Promise<boolean> {
    return this.#try(`kill sandbox ${sandboxId}`, sandboxId, undefined, () =>
      Sandbox.kill(sandboxId, this.#platform.options()),
    );
  }

  /** Sets how long the sandbox lives, counted from now. */
  setTimeout(sandboxId: string, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return this.#try(`set the timeout of sandbox ${sandboxId}`, sandboxId, signal, () =>
      Sandbox.setTimeout(sandboxId, timeoutMs, this.#platform.options(signal)),
    );
  }

  /** Every sandbox with the given metadata, running or paused, oldest first. */
  list(metadata: Record<string, string> = ownSandboxes, signal?: AbortSignal): Promise<SandboxRecord[]> {
    return this.#try('list the sandboxes', undefined, signal, async () => {
      const pages = Sandbox.list({ ...this.#platform.options(), query: { metadata } });
      const rows: SandboxRecord[] = [];
      while (pages.hasNext) rows.push(...(await pages.nextItems(this.#platform.options(signal))));
      return rows.sort(oldestFirst);
    });
  }

  async #try<T>(
    doing: string,
    sandboxId: string | undefined,
    signal: AbortSignal | undefined,
    operation: () => Promise<T>,
  ): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      const attempted = {
        doing,
        notFound: SessionNotFoundError,
        failed: SandboxOperationError,
        sandboxId,
        signal,
      };
      throw translate(error, attempted, this.#platform);
    }
  }
}

/** An order that every process agrees on. */
function oldestFirst(a: SandboxRecord, b: SandboxRecord): number {
  return a.startedAt.getTime() - b.startedAt.getTime() || (a.sandboxId < b.sandboxId ? -1 : 1);
}
