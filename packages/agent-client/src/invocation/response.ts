import { type InvocationEnvelope, invocationEnvelopeSchema } from '@sandpiper/protocol';

/** What an invocation came to, but for its result. */
export interface InvocationSummary {
  /** `success`, or a foreign agent's own word. */
  status: string;
  /** How long the agent took, in seconds. */
  duration: number;
  metadata?: Record<string, unknown>;
  error?: string;
  errorType?: string;
  /** Of the time, what the agent spent working, in seconds. */
  processingTime?: number;
  /** Of the time, what the invocation spent waiting, in seconds. */
  queueTime?: number;
  tokensUsed?: number;
  cost?: number;
  requestId: string;
  invocationId: string;
  /** How many times it was sent; 1 when nothing went wrong. */
  attempts: number;
}

/** An agent's whole answer. */
export interface InvocationResponse<T = unknown> extends InvocationSummary {
  /** What the handler returned; the list of its values when it streamed. */
  result: T;
}

/** What the client knows of an invocation without the agent's help. */
export type InvocationFacts = Pick<InvocationSummary, 'requestId' | 'invocationId' | 'attempts' | 'duration'>;

/** Reads a value as an envelope, or not at all: a raw-family agent answers with the bare value. */
export function asEnvelope(value: unknown): InvocationEnvelope | undefined {
  if (typeof value !== 'object' || value === null || !('result' in value)) return undefined;
  return invocationEnvelopeSchema.safeParse(value).data;
}

/** Translates the wire's spelling, in this one place; the agent's own clock wins over ours. */
export function toSummary(wire: Partial<InvocationEnvelope>, facts: InvocationFacts): InvocationSummary {
  const { requestId, invocationId, attempts } = facts;
  const summary: InvocationSummary = {
    status: wire.status ?? 'success',
    duration: wire.duration ?? facts.duration,
    requestId,
    invocationId,
    attempts,
  };
  if (wire.metadata != null) summary.metadata = wire.metadata;
  if (wire.error != null) summary.error = wire.error;
  if (wire.error_type != null) summary.errorType = wire.error_type;
  if (wire.processing_time != null) summary.processingTime = wire.processing_time;
  if (wire.queue_time != null) summary.queueTime = wire.queue_time;
  if (wire.tokens_used != null) summary.tokensUsed = wire.tokens_used;
  if (wire.cost != null) summary.cost = wire.cost;
  return summary;
}
