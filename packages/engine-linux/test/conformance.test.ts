import { fileURLToPath } from 'node:url';
import { describeEngine } from '@sandpiper/sandbox-engine/conformance/describe-engine';
import { isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { startLinuxEngine } from '../src/linux-engine.js';
import { startKeeping } from './start.js';

describeEngine('linux', (directory) => startLinuxEngine({ logger: console, directory, swapFileMB: 256 }), {
  obstacle: isolationObstacle,
  adoption: {
    start: startKeeping,
    program: fileURLToPath(new URL('programs/short-lived-host.ts', import.meta.url)),
  },
});
