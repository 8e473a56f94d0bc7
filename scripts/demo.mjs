// npm run demo: sets up what is missing, then runs the data analyst's demo in this very process,
// so that whatever ends this process reaches the demo.
import { setUp } from './setup.mjs';

// npm runs this below a shell, which SIGTERM ends without a word to us: the process that started us has gone, so stop.
const parent = process.ppid;
const watch = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(watch);
  process.kill(process.pid, 'SIGTERM');
}, 250).unref();

await setUp();
const { demo } = await import('../examples/data-analyst/demo.mjs');
process.exitCode = await demo();
