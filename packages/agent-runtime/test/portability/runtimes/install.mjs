// Installs Bun, Deno and workerd for the tests beside this folder. Apart from `npm install`: measured with empty caches,
// they are 51 + 41 + 48 MB to download and 103 + 92 + 160 MB on disk, which nobody should wait for who runs the demo.
// The packages hold the programs themselves, for Linux on x64; elsewhere nothing is installed and those tests are skipped.
// After a change of package.json: `npm install --package-lock-only --omit-lockfile-registry-resolved`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
  cwd: fileURLToPath(new URL('.', import.meta.url)),
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
// npm passes over what is optional, also when it cannot be fetched.
const missing = ['@cloudflare', '@deno', '@oven'].filter(
  (scope) => !existsSync(new URL(`node_modules/${scope}`, import.meta.url)),
);
if (missing.length > 0) console.error(`Not installed on ${process.platform} ${process.arch}: ${missing}`);
const isServed = process.platform === 'linux' && process.arch === 'x64';
process.exitCode = status || (isServed && missing.length > 0) ? 1 : 0;
