import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ViteUserConfig } from 'vitest/config';
import { textFiles } from './scripts/text-files.js';

const source = (path: string): string => fileURLToPath(new URL(`packages/${path}`, import.meta.url));

const config: ViteUserConfig = {
  plugins: [textFiles],
  resolve: {
    // Tests read the sources, so none passes against a stale build.
    alias: [
      {
        find: /^@sandpiper\/(agent-runtime|agent-client|sandbox-host)$/,
        replacement: source('$1/src/index.ts'),
      },
    ],
  },
  test: {
    reporters: ['default', './scripts/skipped-tests.mjs'],
    include: [
      'packages/*/{src,test}/**/*.test.ts',
      'examples/*/**/*.test.{ts,mjs}',
      'scripts/**/*.test.{ts,mjs}',
    ],
    // Every response of a host that runs in a test's process is compared with its OpenAPI document.
    setupFiles: ['./packages/sandbox-host/test/openapi/check-every-response.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    // Generous: a busy machine takes ten times as long, and nothing that passes waits for it.
    testTimeout: 60_000,
    // On a machine that others use at the same time. A test that needed it is named with "retry" in the report: look into it.
    retry: process.env.CI ? 1 : 0,
    // Much of what tests do is wait for processes, so two at a time pay even on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // The first host on a machine lets a sandbox try to get out before it starts.
    hookTimeout: 120_000,
  },
};

export default config;
