import { describeEngine } from '@sandpiper/sandbox-engine/conformance/describe-engine';
import { startPlainEngine } from '../src/plain-engine.js';

describeEngine('plain', (directory) =>
  startPlainEngine({ logger: console, directory, obstacle: 'this is a test' }),
);
