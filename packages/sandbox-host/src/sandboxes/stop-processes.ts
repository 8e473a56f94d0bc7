import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessTable, SandboxProcess } from './process-table.js';
import type { SandboxLog } from './sandbox-log.js';

/** What is to end, and for how long that may take. */
export interface StopTarget {
  readonly processes: ProcessTable;
  readonly log: SandboxLog;
  /** Milliseconds. */
  readonly stopGraceMs: number;
}

/**
 * Lets a sandbox's server and commands end by themselves: SIGTERM to each, and a wait of at most
 * {@link StopTarget.stopGraceMs} until they have ended. What runs after that is for the engine to kill.
 *
 * @param thaw - Of a paused sandbox: lets it go on, and settles when its processes are known.
 */
export async function stopProcesses(sandbox: StopTarget, thaw?: () => Promise<void>): Promise<void> {
  const { stopGraceMs, log } = sandbox;
  const waiting = new AbortController();
  try {
    const ended = await Promise.race([
      endOfAll(sandbox, thaw),
      sleep(stopGraceMs, false, { signal: waiting.signal }),
    ]);
    if (!ended) log.add('warn', `Its processes did not all end within ${stopGraceMs} ms of SIGTERM.`);
  } catch (error) {
    // They are killed all the same.
    log.add('warn', `Its processes could not be asked to end: ${String(error)}`);
  } finally {
    waiting.abort();
  }
}

async function endOfAll({ processes }: StopTarget, thaw?: () => Promise<void>): Promise<true> {
  const asked = new Set<SandboxProcess>();
  const ask = async (): Promise<void> => {
    // An interactive shell ignores SIGTERM, and has nothing to save.
    const running = processes.running().filter((one) => !one.request.terminal && !asked.has(one));
    for (const one of running) asked.add(one);
    await Promise.all(running.map(({ process }) => process.kill('SIGTERM')));
  };
  // Before it goes on, so that the server hears nothing else first. A supervisor that is frozen too sends it then.
  if (thaw) await Promise.all([ask(), thaw()]);
  // Those of a sandbox that was taken over while it was frozen are known now.
  await ask();
  await Promise.all([...asked].map(({ process }) => process.ended));
  return true;
}
