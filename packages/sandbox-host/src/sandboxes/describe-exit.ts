import { constants } from 'node:os';
import type { ExitStatus } from '@sandpiper/sandbox-engine/engine';

/** E2B's envd is written in Go and reports signals as `syscall.Signal.String()` names them on Linux. */
const signalWords: Record<string, string> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGUSR1: 'user defined signal 1',
  SIGSEGV: 'segmentation fault',
  SIGUSR2: 'user defined signal 2',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
};

/** How a process ended, in envd's words: `exit status 3`, or `signal: killed`. */
export function describeExit({ code, signal, coreDumped }: ExitStatus): string {
  if (signal === undefined) return `exit status ${code ?? 0}`;
  const number = constants.signals[signal as NodeJS.Signals];
  // Signals without words are known by their number, which `signal` has already where they have no name.
  const words = signalWords[signal] ?? (number === undefined ? signal : `signal ${number}`);
  return `signal: ${words}${coreDumped ? ' (core dumped)' : ''}`;
}
