// npm test: sets up what is missing, then runs every test. Arguments go to vitest.
import { run } from './run.mjs';
import { setUp } from './setup.mjs';

await setUp();
await run(process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2));
