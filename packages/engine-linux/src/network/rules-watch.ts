import type { ChildProcessByStdio, SpawnOptions } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { startChild } from '@sandpiper/sandbox-engine/local/start-child';
import { toolEnvironment } from '@sandpiper/sandbox-engine/local/tool-environment';
import { isOwnRun } from './own-runs.js';

type Monitor = ChildProcessByStdio<null, Readable, null>;

/** When there is something to look at. */
export interface RulesWatchOptions {
  /** The table has gone. */
  onGone: () => void;
  /** Another program changed something in it, or nothing was heard for a while: it is to be looked at. */
  onDoubt: () => void;
}

/** How long the watching process is away after it has ended. */
const restartMs = 1_000;
/** Looked at without a reason: the kernel drops messages for a reader that is too slow, and the reader may be gone. */
const lookMs = 30_000;
/** Programs that change many things are looked after once. */
const settleMs = 500;

/** Watches what other programs do to a table of the packet filter, through `nft monitor`. @returns what ends it. */
export function watchRules(table: string, { onGone, onDoubt }: RulesWatchOptions): () => void {
  let child: Monitor | undefined;
  let closed = false;
  let restart: NodeJS.Timeout | undefined;
  let settling: NodeJS.Timeout | undefined;
  const doubt = (): void => {
    settling ??= setTimeout(() => {
      settling = undefined;
      onDoubt();
    }, settleMs).unref();
  };
  const mention = new RegExp(` inet ${table}( |$)`);
  const again = (): void => {
    if (closed) return;
    // What happened meanwhile has not been seen.
    doubt();
    restart = setTimeout(start, restartMs).unref();
  };
  const start = (): void => {
    const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'ignore'], cwd: '/', env: toolEnvironment() };
    startChild<Monitor>('nft', ['monitor'], options).then(follow, again);
  };
  const follow = (started: Monitor): void => {
    child = started;
    child.once('close', again);
    child.unref();
    (child.stdout as Socket).unref();
    if (closed) child.kill('SIGKILL');
    let mentioned = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === `delete table inet ${table}`) onGone();
      // The end of a change, and whose it was.
      const pid = /^# new generation \d+ by process (\d+)/.exec(line)?.[1];
      if (pid !== undefined) {
        if (mentioned && !isOwnRun(Number(pid))) doubt();
        mentioned = false;
      } else mentioned ||= mention.test(line);
    });
  };
  start();
  const looking = setInterval(onDoubt, lookMs).unref();
  return () => {
    closed = true;
    clearInterval(looking);
    clearTimeout(restart);
    clearTimeout(settling);
    child?.kill('SIGKILL');
  };
}
