import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants as system } from 'node:os';
import { Readable, Writable } from 'node:stream';
import type { EngineProcess, ExitStatus, TerminalSize } from '@sandpiper/sandbox-engine/engine';
import { signalName } from '@sandpiper/sandbox-engine/local/signal-name';

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** A program as its supervisor describes it. */
export interface Description {
  /** The supervisor's own number for it, never used again. */
  id: string;
  pid: number;
  /** What was said when it was started. */
  label: string;
  isTerminal: boolean;
  /** The supervisor's descriptors of the pipes' other ends; empty where there is none. */
  stdin: string;
  stdout: string;
  stderr: string;
}

/** What a program asks of its supervisor. */
export type Request = (what: string, ...fields: string[]) => Promise<string[]>;

/**
 * The program's pipes, opened for the host.
 *
 * @param descriptors - The directory of the supervisor's descriptors; what is opened there is the same pipe.
 * @param exited - How the program ended.
 */
export function superviseProcess(
  { id, pid, isTerminal, ...pipes }: Description,
  descriptors: string,
  request: Request,
  exited: Promise<ExitStatus>,
): EngineProcess {
  const stdout = openOutput(`${descriptors}/${pipes.stdout}`);
  const stderr = pipes.stderr ? openOutput(`${descriptors}/${pipes.stderr}`) : Readable.from([]);
  /** A sandbox that ends meanwhile answers no more, and no more is there to be asked for. */
  const tell = (what: string, ...fields: string[]): Promise<unknown> =>
    request(what, id, ...fields).catch(() => {});
  const closeStdin = (): unknown => tell('close_stdin');
  const ended = Promise.all([exited, read(stdout), read(stderr)]).then(([status]) => {
    // Callers that wait for the end are notified first.
    setImmediate(() => tell('release'));
    return status;
  });
  return {
    pid,
    stdin: pipes.stdin ? openInput(`${descriptors}/${pipes.stdin}`, closeStdin) : undefined,
    stdout,
    stderr,
    ended,
    ...(isTerminal && {
      resize: async ({ cols, rows }: TerminalSize) => {
        await tell('resize', String(cols), String(rows));
      },
    }),
    kill: async (signal) => {
      await tell('kill', String(system.signals[signal]));
    },
  };
}

/** How a program ended, from what wait(2) says. */
export function exitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { code: status >> 8, signal: undefined };
  const coreDumped = (status & 0x80) !== 0;
  return { code: undefined, signal: signalName(signal), ...(coreDumped && { coreDumped }) };
}

function read(output: Readable): Promise<unknown> {
  return new Promise((resolve) => output.once('close', resolve));
}

/** A pipe does not hold up a thread of the pool this way, however long it is silent. */
function openOutput(path: string): Readable {
  const output = new Socket({ fd: openPipe(path, O_RDONLY), readable: true, writable: false });
  output.on('error', () => {});
  return output;
}

function openInput(path: string, onClose: () => void): Writable {
  let fd: number;
  try {
    fd = openPipe(path, O_WRONLY);
  } catch {
    // Nobody reads it any more.
    return new Writable({ write: (_chunk, _encoding, done) => done() });
  }
  const input = new Socket({ fd, readable: false, writable: true });
  // A process may end before it has read its input; that is no fault of the host.
  input.on('error', () => {});
  return input.once('close', onClose);
}

function openPipe(path: string, direction: number): number {
  const fd = openSync(path, direction | O_NONBLOCK);
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw new Error('A descriptor of the supervisor is not the pipe that it said it was.');
}
