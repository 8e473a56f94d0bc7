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
  return {
    ...facts,
    status: wire.status ?? 'success',
    duration: wire.duration ?? facts.duration,
    ...(wire.metadata != null && { metadata: wire.metadata }),
    ...(wire.error != null && { error: wire.error }),
    ...(wire.error_type != null && { errorType: wire.error_type }),
    ...(wire.processing_time != null && { processingTime: wire.processing_time }),
    ...(wire.queue_time != null && { queueTime: wire.queue_time }),
    ...(wire.tokens_used != null && { tokensUsed: wire.tokens_used }),
    ...(wire.cost != null && { cost: wire.cost }),
  };
}
