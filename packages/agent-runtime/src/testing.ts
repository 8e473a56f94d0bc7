export { type CollectedStream, type InvokeOptions, type TestAgent, testAgent } from './testing/test-agent.js';
