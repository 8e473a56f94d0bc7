import { randomUUID } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, logFailure } from '../../logger.js';
import { moveTree, removeBusyTree } from './remove-tree.js';

/** Takes a file or a directory away, and never fails: see {@link Trash.remove}. */
export type Remove = (path: string) => Promise<void>;

/** What could not be removed is tried again after this time. */
const retryMs = 10 * 60_000;

/**
 * Removes what the host needs no longer. Whatever programs have left in it, that is no condition of anything: what
 * cannot be removed lies in the trash directory, is reported, and is tried again, by the next host at the latest.
 */
export class Trash {
  /** What could not be removed so far. */
  readonly #left = new Set<string>();
  readonly #working = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(
    private readonly directory: string,
    private readonly logger: Logger,
  ) {}

  /** @param directory - Where things lie that are being removed. What a host before this one left there is removed now. */
  static async open(directory: string, logger: Logger): Promise<Trash> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const trash = new Trash(directory, logger);
    for (const name of await readdir(directory)) trash.#left.add(join(directory, name));
    trash.#retry();
    return trash;
  }

  /** Puts it out of the way at once, and then removes it. Does nothing where there is nothing. */
  readonly remove: Remove = (path) => this.#own(this.#remove(path));

  /** Settles when nothing is being removed any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #remove(path: string): Promise<void> {
    const at = join(this.directory, randomUUID());
    try {
      await moveTree(path, at);
    } catch {
      // Where it cannot be moved, as to another file system, it is removed where it lies.
      return this.#empty(path, path);
    }
    await this.#empty(at, path);
  }

  async #removeLeft(): Promise<void> {
    for (const path of [...this.#left]) {
      if (this.#closed) return;
      await this.#empty(path, path);
    }
  }

  /** @param name - What it was called before it was put here. */
  async #empty(at: string, name: string): Promise<void> {
    try {
      await removeBusyTree(at);
      this.#left.delete(at);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.logger.error(`${name} cannot be removed: ${reason}. It lies at ${at}, and is tried again later.`);
      this.#left.add(at);
      if (this.#closed) return;
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#retry();
      }, retryMs).unref();
    }
  }

  #retry(): void {
    this.#own(this.#removeLeft()).catch(
      logFailure(this.logger, 'What is left in the trash could not be removed'),
    );
  }

  #own(work: Promise<void>): Promise<void> {
    this.#working.add(work);
    return work.finally(() => this.#working.delete(work));
  }
}
