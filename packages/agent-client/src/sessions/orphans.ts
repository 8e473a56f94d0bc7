import type { Logger } from '@sandpiper/protocol';
import type { Sandbox } from 'e2b';
import { statusOf } from '../platform/platform-error.js';
import { sleep } from '../sleep.js';
import type { SandboxApi } from './sandbox-api.js';
import { labelFilter, readLabels } from './sandbox-labels.js';

/** When to look for what a creation without an answer may have made, in milliseconds one after the other. */
const lookAgainAfterMs = [0, 250, 1_000];

/** What became of one sandbox that {@link Orphans.reap} found. */
export interface ReapedSandbox {
  sandboxId: string;
  killed: boolean;
  /** Why it was not. */
  error?: Error;
}

/** How far {@link Orphans.reap} may go. */
export interface ReapOptions {
  /**
   * Also kill what any process made with this package, if it was started longer ago than this, in milliseconds, and has
   * no `runtimeSessionId`. Default: only what this client failed to create or to kill.
   */
  olderThanMs?: number | undefined;
}

/** Sees to it that no sandbox outlives a creation that failed. */
export class Orphans {
  readonly #api: SandboxApi;
  readonly #logger: Logger | undefined;
  /** Creations that failed here, by their id, whose sandbox was not seen to be gone. */
  readonly #suspects = new Set<string>();
  readonly #compensating = new Set<Promise<void>>();

  constructor(api: SandboxApi, logger: Logger | undefined) {
    this.#api = api;
    this.#logger = logger;
  }

  /** Takes over a creation that nobody waits for any more: what it makes is killed. */
  watch(createId: string, creating: Promise<Sandbox>): void {
    const done = creating.then(
      (sandbox) => this.kill(createId, sandbox.sandboxId),
      (error) => this.#afterFailure(createId, error),
    );
    this.#compensating.add(done);
    const remove = (): unknown => this.#compensating.delete(done);
    done.then(remove, remove);
  }

  /** Kills a sandbox that was made in vain; what cannot be killed now is left to `reap`. Never throws. */
  async kill(createId: string, sandboxId: string): Promise<void> {
    this.#suspects.add(createId);
    try {
      await this.#api.kill(sandboxId);
      this.#suspects.delete(createId);
    } catch (error) {
      this.#logger?.warn(
        { sandboxId, error: error instanceof Error ? error.message : String(error) },
        'a sandbox made in vain could not be killed; client.reap() will try again',
      );
    }
  }

  /** Waits until every creation given up so far has come to its end. */
  async settled(): Promise<void> {
    while (this.#compensating.size > 0) await Promise.all(this.#compensating);
  }

  /** Finds what is left over by its labels, and kills it. */
  async reap(options: ReapOptions, inUse: (sandboxId: string) => boolean): Promise<ReapedSandbox[]> {
    await this.settled();
    const { olderThanMs = Number.POSITIVE_INFINITY } = options;
    const all = await this.#api.list();
    const leftOver = all.filter(({ sandboxId, templateId, metadata, startedAt }) => {
      const { createId, runtimeSessionId } = readLabels(metadata, templateId);
      if (inUse(sandboxId)) return false;
      if (this.#suspects.has(createId)) return true;
      return runtimeSessionId === undefined && Date.now() - startedAt.getTime() > olderThanMs;
    });
    const reaped = await Promise.all(leftOver.map(({ sandboxId }) => this.#reapOne(sandboxId)));
    if (reaped.every(({ killed }) => killed)) this.#suspects.clear();
    return reaped;
  }

  async #reapOne(sandboxId: string): Promise<ReapedSandbox> {
    try {
      await this.#api.kill(sandboxId);
      return { sandboxId, killed: true };
    } catch (error) {
      return { sandboxId, killed: false, error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  /** The platform refused, or nobody knows: then its labels tell whether there is a sandbox. */
  async #afterFailure(createId: string, error: unknown): Promise<void> {
    const status = statusOf(error);
    if (status !== undefined && status < 500) return;
    this.#suspects.add(createId);
    // Not found is no proof: the platform may be at it still.
    for (const delayMs of lookAgainAfterMs) {
      await sleep(delayMs);
      const found = await this.#api.list(labelFilter({ createId })).catch(() => []);
      for (const { sandboxId } of found) await this.kill(createId, sandboxId);
      if (found.length > 0) return;
    }
    this.#logger?.warn(
      { createId },
      'a creation failed and its outcome is not known; client.reap() will look again',
    );
  }
}
