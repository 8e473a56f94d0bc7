export {
  type CollectedStream,
  type Fetchable,
  type InvokeOptions,
  type StreamOptions,
  type TestAgent,
  testAgent,
} from './testing/test-agent.js';
