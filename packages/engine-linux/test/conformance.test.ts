import { describeEngine } from '@sandpiper/sandbox-engine/conformance/describe-engine';
import { isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { startLinuxEngine } from '../src/linux-engine.js';

describeEngine('linux', (directory) => startLinuxEngine({ logger: console, directory, swapFileMB: 256 }), {
  obstacle: isolationObstacle,
});
