// npm run demo: sets up what is missing, then runs the data analyst's demo in this very process,
// so that whatever ends this process reaches the demo.
import { setUp } from './setup.mjs';

await setUp();
const { demo } = await import('../examples/data-analyst/demo.mjs');
const code = await demo();
// A demo that was stopped may have calls under way; one that ran to its end ends by itself.
if (code !== 0) process.exit(code);
