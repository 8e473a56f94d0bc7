import { checkCommand, variableName } from '../check-command.js';
import type { Command } from '../engine.js';
import { HostError } from '../host-error.js';
import { shellQuote } from './shell.js';

/** How commands are launched in a sandbox that has no supervisor. */
export interface Launcher {
  /** The program and arguments that end in a shell, which is to run `receiveLaunch`. */
  prefix: string[];
  /** Signals a process group. */
  signal(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** All that the tools on the way to the shell get to know. */
export const launcherEnv: Record<string, string> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

/**
 * The program that started the host may have left descriptors open to it, and Node.js hands them on. Only bash can name
 * those above 9; other shells take the number for a command.
 */
const closeInherited = `if [ -n "$BASH_VERSION" ] && [ -d /proc/self/fd ]; then
  for fd in /proc/self/fd/*; do fd=\${fd##*/}; [ "$fd" -gt 3 ] && eval "exec $fd>&-"; done
  unset fd
fi`;

/**
 * What the shell is to do.
 *
 * @param report - A shell command that sends a word of shell code to the launcher.
 */
export function launchText(command: Command, report: (word: string) => string): string {
  checkCommand(command);
  const exports = Object.entries(command.env).map(([name, value]) => {
    if (!variableName.test(name)) {
      throw new HostError(
        400,
        `"${name}" cannot be the name of an environment variable here: a shell sets it.`,
      );
    }
    return `export ${name}=${shellQuote(value)}`;
  });
  return [
    closeInherited,
    `cd -- ${shellQuote(command.cwd)} 2>/dev/null || { ${report('cwd')}; exit 1; }`,
    ...exports,
    report('"$$"'),
    'exec 3>&-',
    `exec ${[command.cmd, ...command.args].map(shellQuote).join(' ')}`,
  ].join('\n');
}
