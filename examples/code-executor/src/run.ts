import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { findProgram, languages } from './languages.js';
import { type MadeFile, madeFiles } from './made-files.js';
import { removeFolder } from './remove-folder.js';
import type { Limits, RunRequest } from './request.js';
import { endSession, kill, sessionMembers } from './session-members.js';

/** Which limit ended a run. */
export type Stopped = 'timeout' | 'output' | 'processes' | 'cancelled';

/** What a run gives, as it comes. */
export type RunEvent = { type: 'stdout' | 'stderr'; text: string } | MadeFile | Exit;

/** How a run ended; the last that it gives. */
export interface Exit {
  type: 'exit';
  exitCode: number | null;
  signal: string | null;
  /** Which limit ended it, if one did. */
  stopped?: Stopped;
  durationMs: number;
}

/** How often a run's processes are counted. RLIMIT_NPROC would count other sandboxes' too, for they are one user's. */
const countEveryMs = 100;
/** How long output is waited for after the end of the code. */
const lingerMs = 500;
/** No file that a run writes may be larger. */
const maxFileBytes = 64 * 1024 * 1024;

/**
 * Runs code in a process session and a folder of its own. Whichever way the run ends, the session is killed and the
 * folder removed.
 *
 * @param signal - Kills the run.
 * @throws MissingToolError.
 */
export async function* run(request: RunRequest, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const { file, program, args } = languages[request.language];
  const [prlimit, interpreter] = await Promise.all([findProgram('prlimit'), findProgram(program)]);
  signal.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'run-'));
  try {
    const given = await writeInputs(folder, file, request);
    const command = [...limitArgs(request.limits), interpreter, ...args, file];
    const exit = yield* follow(prlimit, command, folder, request, signal);
    yield* madeFiles(folder, given);
    yield exit;
  } finally {
    await removeFolder(folder);
  }
}

/** Runs the command to its end, and gives what it writes no faster than it is read. */
async function* follow(
  prlimit: string,
  command: string[],
  folder: string,
  { stdin, limits }: RunRequest,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, Exit> {
  const started = performance.now();
  const child = spawn(prlimit, command, {
    cwd: folder,
    // Nothing of the agent's own environment: it may hold secrets.
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8' },
    // The leader of a session, which is killed as a whole.
    detached: true,
  });
  let stopped: Stopped | undefined;
  const stop = (why?: Stopped): void => {
    stopped ??= why;
    if (child.exitCode === null && child.signalCode === null) killGroup(child.pid);
  };
  const count = async (): Promise<void> => {
    const members = await sessionMembers(child.pid ?? 0);
    if (members.reduce((sum, { threads }) => sum + threads, 0) > limits.processes) stop('processes');
  };
  // A run that cannot be counted, as where no descriptor is left, is not held to its limit, so it may not go on.
  const counting = setInterval(() => {
    count().catch(() => stop('processes'));
  }, countEveryMs);
  const onAbort = (): void => stop('cancelled');
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => stop('timeout'), limits.timeoutMs);
  const events = new PassThrough({ objectMode: true, highWaterMark: 16 });
  let bytes = 0;
  for (const type of ['stdout', 'stderr'] as const) {
    const stream = child[type].setEncoding('utf8');
    stream.on('data', (text: string) => {
      if (stopped) return;
      bytes += Buffer.byteLength(text);
      if (bytes > limits.outputBytes) return stop('output');
      if (events.write({ type, text })) return;
      stream.pause();
      events.once('drain', () => stream.resume());
    });
  }
  // Code that does not read its input is no error.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  child.once('error', (error) => events.destroy(error));
  let leaving: ReturnType<typeof setInterval> | undefined;
  child.once('exit', () => {
    // What the code left behind would go on.
    if (child.pid !== undefined) endSession(child.pid).catch(console.error);
    // What hides in a session of its own may hold the output open: once all that came is read, nothing is waited for.
    leaving = setInterval(() => {
      for (const stream of [child.stdout, child.stderr]) if (!stream.isPaused()) stream.destroy();
    }, lingerMs);
  });
  child.once('close', () => events.end());
  try {
    yield* events;
    const { exitCode, signalCode } = child;
    const durationMs = Math.round(performance.now() - started);
    return { type: 'exit', exitCode, signal: signalCode, ...(stopped && { stopped }), durationMs };
  } finally {
    clearTimeout(timer);
    clearInterval(counting);
    clearInterval(leaving);
    signal.removeEventListener('abort', onAbort);
    stop();
    // A reader that left holds nothing back any more.
    child.stdout.destroy();
    child.stderr.destroy();
    if (child.pid !== undefined) await endSession(child.pid);
  }
}

async function writeInputs(
  folder: string,
  file: string,
  { code, files }: RunRequest,
): Promise<Map<string, Buffer>> {
  const given = new Map(files.map(({ path, base64 }) => [path, Buffer.from(base64, 'base64')]));
  given.set(file, Buffer.from(code));
  for (const [path, content] of given) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return given;
}

/** How `prlimit` is told the limits. */
function limitArgs(limits: Limits): string[] {
  const memory = limits.memoryMB * 1024 * 1024;
  return [
    // What is written to, not what is reserved: node reserves far more than it uses.
    `--data=${memory}`,
    `--fsize=${maxFileBytes}`,
    '--core=0',
    '--',
  ];
}

/** Kills a process and all that it started, at once; what has left its group meanwhile is left to `endSession`. */
function killGroup(pid: number | undefined): void {
  if (pid !== undefined) kill(-pid);
}
