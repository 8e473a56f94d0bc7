// Installs Bun, Deno and workerd for the tests beside this folder. Apart from `npm install`: measured with empty caches,
// they are 51 + 41 + 48 MB to download and 103 + 92 + 160 MB on disk, which nobody should wait for who runs the demo.
// Their scripts stay off: all they do is to put the program of the platform's own package in the place of a small one.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
const { status } = spawnSync('npm', ['install', ...options], {
  cwd: fileURLToPath(new URL('.', import.meta.url)),
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
process.exitCode = status ?? 1;
