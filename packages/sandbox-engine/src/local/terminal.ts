import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { Command, EngineProcess, ExitStatus, TerminalSize } from '../engine.js';
import { HostError } from '../host-error.js';
import { type Launcher, launcherEnv, launchText } from './launch-text.js';
import { signalName } from './signal-name.js';

/** A pseudo-terminal has no fourth descriptor, so the shell finds what it is to do in its environment. */
const launchVariable = 'SANDPIPER_LAUNCH';
const receiveLaunch = `launch=$${launchVariable}; unset ${launchVariable}; eval "$launch"`;
/** Between these the shell says its number, before anything the program writes. */
const mark = '\u0000';
const report = (text: string): string => `printf '\\0%s\\0' ${text}`;

/** Starts a command in a pseudo-terminal of its own; what it writes is all in `stdout`. */
export async function launchInTerminal(
  launcher: Launcher,
  command: Command,
  size: TerminalSize,
): Promise<EngineProcess> {
  const pty = await import('@lydell/node-pty').catch((cause: unknown) => {
    throw new HostError(501, 'Pseudo-terminals are not supported on this kind of machine.', { cause });
  });
  const [file = '', ...args] = launcher.prefix;
  const terminal = pty.spawn(file, [...args, receiveLaunch], {
    ...size,
    name: command.env.TERM ?? 'xterm-256color',
    cwd: '/',
    env: { ...launcherEnv, [launchVariable]: launchText(command, report) },
    encoding: null,
  });
  const output = new PassThrough();
  output.on('drain', () => terminal.resume());
  const ended = new Promise<ExitStatus>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      output.end();
      resolve({ code: signal ? undefined : exitCode, signal: signal ? signalName(signal) : undefined });
    });
  });
  const answer = await new Promise<string>((resolve) => {
    let head: string | undefined = '';
    terminal.onData((data) => {
      // Bytes, since no encoding was asked for.
      const bytes = Buffer.from(data);
      if (head === undefined) {
        if (!output.write(bytes)) terminal.pause();
        return;
      }
      head += bytes.toString('latin1');
      const [, said, ...rest] = head.split(mark);
      if (said === undefined || rest.length === 0) return;
      head = undefined;
      output.write(Buffer.from(rest.join(mark), 'latin1'));
      resolve(said);
    });
    const none = (): void => resolve('');
    ended.then(none, none);
  });
  const pid = Number(answer);
  if (!Number.isInteger(pid) || pid <= 0) {
    terminal.kill('SIGKILL');
    throw answer === 'cwd'
      ? new HostError(400, `The working directory ${command.cwd} does not exist in the sandbox.`)
      : new HostError(500, 'The sandbox did not start the command; it may be ending.');
  }
  const decoder = new StringDecoder('utf8');
  const stderr = new PassThrough();
  stderr.end();
  return {
    pid,
    stdin: new Writable({
      write(chunk: Buffer, _encoding, done) {
        terminal.write(decoder.write(chunk));
        done();
      },
    }),
    stdout: output,
    stderr,
    // Settles when the output has been read, too.
    ended: Promise.all([ended, once(output, 'end')]).then(([status]) => status),
    resize: async ({ cols, rows }) => terminal.resize(cols, rows),
    kill: (signal) => launcher.signal(pid, signal),
  };
}
