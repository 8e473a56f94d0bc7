import { describeContract } from './contract.js';
import { findRuntime, startServer } from './runtime.js';

// No more leave than it needs: none to write, to run programs or to reach other hosts.
const leave = ['--allow-env', '--allow-read', '--no-prompt'];

describeContract('Deno', findRuntime('@deno', 'deno'), (program) =>
  startServer(program, ['serve', ...leave, '--host=127.0.0.1', '--port=0', 'agent.ts'], /127\.0\.0\.1:(\d+)/),
);
