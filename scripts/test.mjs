// npm test: sets up what is missing, then runs every test. Arguments go to vitest.
import { pnpm } from './pnpm.mjs';
import { setUp } from './setup.mjs';

await setUp();
await pnpm('exec', 'vitest', 'run', ...process.argv.slice(2));
