// Installs the AI SDK's majors and OpenAI's newest for the tests of `/ai-sdk` and `/openai`: 89 MB on disk, which nobody should wait for who runs the demo.
// After a change of package.json: `npm install --package-lock-only --omit-lockfile-registry-resolved`.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const { status } = spawnSync(
  'npm',
  ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--engine-strict=false'],
  {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: 'inherit',
    shell: process.platform === 'win32',
  },
);
process.exitCode = status ?? 1;
