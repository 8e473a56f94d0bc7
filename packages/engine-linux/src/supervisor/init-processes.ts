import type { ChildProcessByStdio } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { startChild } from '@sandpiper/sandbox-engine/local/start-child';
import { supervisorScript } from './supervisor-script.js';

/** A first process that waits for what it is to be the first of. */
export type FirstProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** How many creations in a row do not wait for Perl to start. */
const sparesKept = 2;
/** How long the caller that took one has to start its sandbox before the machine is busy with the next. */
const restMs = 500;

/**
 * First processes of sandboxes, some of them started before they are needed. Those know nothing of any sandbox and do
 * nothing but read their input: they end with the host, however that comes, because their input does.
 */
export class InitProcesses {
  readonly #spares: FirstProcess[] = [];
  #keeping: Promise<void> | undefined;
  #closed = false;
  #rest: NodeJS.Timeout | undefined;

  /** @param baseId - What is added on the host to the number of a user inside; 0: both are the same. */
  constructor(private readonly baseId: number) {
    this.#startKeeping();
  }

  async take(): Promise<FirstProcess> {
    this.#rest ??= setTimeout(() => this.#startKeeping(), restMs).unref();
    for (let spare = this.#spares.shift(); spare; spare = this.#spares.shift()) {
      if (spare.exitCode !== null || spare.signalCode !== null) continue;
      hold(spare, true);
      return spare;
    }
    return startFirstProcess(this.baseId);
  }

  /** Ends those that wait. */
  async close(): Promise<void> {
    clearTimeout(this.#rest);
    this.#closed = true;
    await this.#keeping;
    for (const spare of this.#spares.splice(0)) spare.stdin.destroy();
  }

  #startKeeping(): void {
    this.#rest = undefined;
    // Where none can be started now, the caller that needs one gets the reason.
    this.#keeping ??= this.#keepSpares()
      .catch(() => {})
      .finally(() => {
        this.#keeping = undefined;
      });
  }

  async #keepSpares(): Promise<void> {
    while (this.#spares.length < sparesKept && !this.#closed) {
      const spare = await startFirstProcess(this.baseId);
      // Reported to the caller that takes it.
      spare.on('error', () => {});
      hold(spare, false);
      this.#spares.push(spare);
    }
  }
}

function startFirstProcess(baseId: number): Promise<FirstProcess> {
  if (!supervisorScript) throw new Error(`System calls of ${process.arch} are not known.`);
  return startChild<FirstProcess>('perl', ['-e', supervisorScript, String(baseId)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
    detached: true,
    env: { PATH: process.env.PATH },
  });
}

/** Whether this process stays for that one. */
function hold(child: FirstProcess, held: boolean): void {
  const method = held ? 'ref' : 'unref';
  child[method]();
  for (const pipe of [child.stdin, child.stdout, child.stderr]) (pipe as Socket)[method]();
}
