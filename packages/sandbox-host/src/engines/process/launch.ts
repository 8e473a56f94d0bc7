import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { HostError } from '../../errors.js';
import type { Command, EngineProcess, ExitStatus } from '../engine.js';
import { shellQuote } from './shell.js';

/** What a launcher needs to know of the place a command runs in. */
export interface Launcher {
  /** The program and arguments that end in a shell inside the sandbox, which is to run `receiveLaunch`. */
  prefix: string[];
  /** Signals a process group of the sandbox by its number inside. */
  signal(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/**
 * The shell reads what it is to do from descriptor 3 and answers there. Environment, command and directory go
 * this way because arguments can be read by every process of the machine, and because privileged tools come
 * before the shell: an LD_PRELOAD of a sandbox's own must not reach those.
 */
const receiveLaunch = 'eval "$(cat <&3)"';

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/;

function launchText(command: Command): string {
  const exports = Object.entries(command.env).map(([name, value]) => {
    if (!identifier.test(name)) {
      throw new HostError(400, `"${name}" cannot be the name of an environment variable.`);
    }
    return `export ${name}=${shellQuote(value)}`;
  });
  return [
    `cd -- ${shellQuote(command.cwd)} 2>/dev/null || { echo cwd >&3; exit 1; }`,
    ...exports,
    'echo "$$" >&3',
    'exec 3>&-',
    `exec ${[command.cmd, ...command.args].map(shellQuote).join(' ')}`,
  ].join('\n');
}

/** Starts a command through a launcher; settles when the program itself is about to run. */
export async function launch(launcher: Launcher, command: Command): Promise<EngineProcess> {
  const text = launchText(command);
  const [file = '', ...args] = launcher.prefix;
  const child = spawn(file, [...args, receiveLaunch], {
    stdio: [command.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
    // A session of its own: a Ctrl-C in the host's terminal is the host's to handle.
    detached: true,
  });
  const ended = new Promise<ExitStatus>((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: undefined }));
    child.once('close', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  // Descriptor 3 is a socket pair, so it can be written and read.
  const control = child.stdio[3] as Socket;
  const answer = await new Promise<string>((resolve) => {
    let received = '';
    control.setEncoding('utf8');
    control.on('data', (chunk: string) => {
      received += chunk;
      if (received.includes('\n')) resolve(received.trim());
    });
    control.on('error', () => resolve(''));
    control.on('close', () => resolve(received.trim()));
    control.end(text);
  });
  const pid = Number(answer);
  if (!Number.isInteger(pid) || pid <= 0) {
    child.stdout?.resume();
    child.stderr?.resume();
    child.kill('SIGKILL');
    throw answer === 'cwd'
      ? new HostError(400, `The working directory ${command.cwd} does not exist in the sandbox.`)
      : new HostError(500, 'The sandbox did not start the command; it may be ending.');
  }
  const { stdin, stdout, stderr } = child;
  if (!stdout || !stderr) throw new HostError(500, 'The command has no output to read.');
  // A process may end before it has read its input; that is no fault of the host.
  stdin?.on('error', () => {});
  return {
    pid,
    stdin: stdin ?? undefined,
    stdout,
    stderr,
    ended,
    kill: (signal) => launcher.signal(pid, signal),
  };
}
