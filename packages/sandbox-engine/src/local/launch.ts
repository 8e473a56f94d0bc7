import { once } from 'node:events';
import type { Socket } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import type { Command, EngineProcess, ExitStatus } from '../engine.js';
import { HostError } from '../host-error.js';
import { type Launcher, launcherEnv, launchText } from './launch-text.js';
import { startChild } from './start-child.js';
import { launchInTerminal } from './terminal.js';

/**
 * The shell reads what it is to do from descriptor 3 and answers there. Environment, command and directory go
 * this way because arguments can be read by every process of the machine, and because privileged tools come
 * before the shell: an LD_PRELOAD of a sandbox's own must not reach those.
 */
const receiveLaunch = 'eval "$(cat <&3)"';

/** Starts a command through a launcher; settles when the program itself is about to run. */
export async function launch(launcher: Launcher, command: Command): Promise<EngineProcess> {
  if (command.terminal) return launchInTerminal(launcher, command, command.terminal);
  const text = launchText(command, (word) => `echo ${word} >&3`);
  const [file = '', ...args] = launcher.prefix;
  const child = await startChild(file, [...args, receiveLaunch], {
    stdio: [command.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
    env: launcherEnv,
    cwd: '/',
    // A session of its own: a Ctrl-C in the host's terminal is the host's to handle.
    detached: true,
  });
  // Descriptor 3 is a socket pair, so it can be written and read.
  const [, out, errors, control] = child.stdio as unknown as [unknown, Readable, Readable, Socket];
  // Node.js throws away what nobody has begun to read when a process ends, and it may end before it is handed out.
  const stdout = out.pipe(new PassThrough());
  const stderr = errors.pipe(new PassThrough());
  const closed = new Promise<ExitStatus>((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: undefined }));
    child.once('close', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  const endOutput = (): void => {
    for (const output of [stdout, stderr]) output.end();
  };
  closed.then(endOutput, endOutput);
  const ended = Promise.all([closed, once(stdout, 'end'), once(stderr, 'end')]).then(([status]) => status);
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
    stdout.resume();
    stderr.resume();
    child.kill('SIGKILL');
    throw answer === 'cwd'
      ? new HostError(400, `The working directory ${command.cwd} does not exist in the sandbox.`)
      : new HostError(500, 'The sandbox did not start the command; it may be ending.');
  }
  const { stdin } = child;
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
