// The one place that knows how pnpm is had without being installed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Runs pnpm in the repository's root, its output on this process's terminal.
 * Passes a signal that would end this process on, and then waits: pnpm is never left behind.
 *
 * @param {string[]} args
 */
export async function pnpm(...args) {
  const child = spawn('npx', ['--yes', 'pnpm@10.34.9', ...args], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  let stoppedBy;
  const pass = (signal) => {
    stoppedBy = signal;
    child.kill(signal);
  };
  process.on('SIGINT', pass).on('SIGTERM', pass);
  try {
    const [code] = await once(child, 'close');
    if (stoppedBy || code !== 0) {
      process.stderr.write(
        stoppedBy ? 'Stopped.\n' : `"pnpm ${args.join(' ')}" failed: its output is above.\n`,
      );
      process.exit(stoppedBy === 'SIGINT' ? 130 : stoppedBy ? 143 : 1);
    }
  } finally {
    process.off('SIGINT', pass).off('SIGTERM', pass);
  }
}
