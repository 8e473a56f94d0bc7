import { describeContract } from './contract.js';
import { findRuntime, startServer } from './runtime.js';

describeContract('Bun', findRuntime('@oven', 'bin/bun'), (program) =>
  startServer(program, ['run', 'on-bun.ts'], /:(\d+)/),
);
