import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Runs a command in the repository's root, its output on this process's terminal; ends this process when it fails.
 * A signal that would end this process is passed on and then waited for, so that no child is left behind.
 *
 * @param {string} command
 * @param {string[]} args
 */
export async function run(command, ...args) {
  // Where npx runs us, a further npx would take this for its own and run nothing else.
  const { npm_config_package: _, ...env } = process.env;
  const child = spawn(command, args, {
    cwd: root,
    env,
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
    if (stoppedBy) process.exit(stoppedBy === 'SIGINT' ? 130 : 143);
    if (code !== 0) {
      console.error(`\n"${[command, ...args].join(' ')}" failed: its output is above.`);
      process.exit(1);
    }
  } finally {
    process.off('SIGINT', pass).off('SIGTERM', pass);
  }
}

/** Runs pnpm, which npx fetches where it is not there yet. @param {string[]} args */
export const pnpm = (...args) => run('npx', '--yes', 'pnpm@10.34.9', ...args);
