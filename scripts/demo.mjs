// npm run demo: sets up what is missing, then runs the data analyst's demo in this very process,
// so that whatever ends this process reaches the demo.
import { setUp } from './setup.mjs';

await setUp();
const { demo } = await import('../examples/data-analyst/demo.mjs');
process.exitCode = await demo();
