export {
  type AgentConfig,
  type AgentMetadata,
  type AgentSpec,
  type AgentStatus,
  agentConfigSchema,
  DeploymentPhase,
  type RuntimeSpec,
  type SandboxSpec,
} from './agent-config/agent-config.js';
export { parseCpu, parseMemory } from './agent-config/quantity.js';
export { type BindRequest, bindPath, bindTokenVariable } from './binding.js';
export { AgentRuntimeError, type AgentRuntimeErrorOptions } from './errors/agent-runtime-error.js';
export { ValidationError, type ValidationIssue } from './errors/validation-error.js';
export { createFrameDecoder, type FrameDecoder, type FrameDecoderOptions } from './frames/decode.js';
export { encodeFrame, heartbeatFrame } from './frames/encode.js';
export type { FinalEvent, Frame } from './frames/frame.js';
export { agentPort, headers, resumableStream } from './headers.js';
export {
  type DonePayload,
  donePayloadSchema,
  type ErrorPayload,
  errorPayloadSchema,
  type InvocationEnvelope,
  type InvocationRequest,
  type InvocationState,
  invocationEnvelopeSchema,
} from './invocation.js';
export { invocationKeyProblem, longestInvocationId } from './invocation-key.js';
export type { LogFunction, Logger } from './logger.js';
export { type PingResponse, pingResponseSchema } from './ping.js';
export { PingStatus, parsePingStatus } from './ping-status.js';
export { isRefusal, refusals } from './refusals.js';
export { asksForWebSocket, handleUpgrades } from './upgrades/handle-upgrades.js';
