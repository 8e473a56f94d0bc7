import { type InvocationEnvelope, invocationEnvelopeSchema } from '@sandpiper/protocol';
import * as z from 'zod';
import { parseOrText } from './decode/parse-or-text.js';

/** The fields of an envelope, PPIO's among them (docs/wire-protocol.md, "Responses"). */
const fields: ReadonlySet<string> = new Set([
  'result',
  'status',
  'duration',
  'metadata',
  'error',
  'error_type',
  'details',
  'processing_time',
  'queue_time',
  'tokens_used',
  'cost',
]);

/** What an invocation came to, but for its result. */
export interface InvocationSummary {
  /** `success`, or a foreign agent's own word. */
  status: string;
  /** How long the agent took, in seconds. */
  durationSeconds: number;
  metadata?: Record<string, unknown>;
  error?: string;
  errorType?: string;
  /** Of the time, what the agent spent working, in seconds. */
  processingTimeSeconds?: number;
  /** Of the time, what the invocation spent waiting, in seconds. */
  queueTimeSeconds?: number;
  tokensUsed?: number;
  cost?: number;
  requestId: string;
  invocationId: string;
  /** How many times it was sent; 1 when nothing went wrong. */
  attempts: number;
}

/** An agent's whole response. */
export interface InvocationResponse<T = unknown> extends InvocationSummary {
  /** What the handler returned; the list of its values when it streamed. */
  result: T;
}

/** What the client knows of an invocation without the agent's help. */
export type InvocationFacts = Pick<
  InvocationSummary,
  'requestId' | 'invocationId' | 'attempts' | 'durationSeconds'
>;

/**
 * Reads a value as an envelope, or not at all. A runtime's envelope names the invocation, which no value of a handler does;
 * a foreign agent's has the fields of one and no others, else it is the agent's own value.
 */
export function asEnvelope(
  value: unknown,
  from: { runtime: boolean; invocationId: string },
): InvocationEnvelope | undefined {
  if (typeof value !== 'object' || value === null || !('result' in value)) return undefined;
  const envelope = invocationEnvelopeSchema.safeParse(value).data;
  if (!from.runtime) return Object.keys(value).every((key) => fields.has(key)) ? envelope : undefined;
  return envelope?.metadata?.invocation_id === from.invocationId ? envelope : undefined;
}

/** Translates the wire's spelling, in this one place; the agent's own clock wins over ours. */
export function toSummary(wire: Partial<InvocationEnvelope>, facts: InvocationFacts): InvocationSummary {
  const { requestId, invocationId, attempts } = facts;
  const summary: InvocationSummary = {
    status: wire.status ?? 'success',
    durationSeconds: wire.duration ?? facts.durationSeconds,
    requestId,
    invocationId,
    attempts,
  };
  if (wire.metadata != null) summary.metadata = wire.metadata;
  if (wire.error != null) summary.error = wire.error;
  if (wire.error_type != null) summary.errorType = wire.error_type;
  if (wire.processing_time != null) summary.processingTimeSeconds = wire.processing_time;
  if (wire.queue_time != null) summary.queueTimeSeconds = wire.queue_time;
  if (wire.tokens_used != null) summary.tokensUsed = wire.tokens_used;
  if (wire.cost != null) summary.cost = wire.cost;
  return summary;
}

/** The fields of an envelope that say what an invocation used. */
export type Usage = Pick<InvocationEnvelope, 'processing_time' | 'queue_time' | 'tokens_used' | 'cost'>;

const usageSchema: z.ZodType<Usage> = z.object({
  processing_time: z.number().optional(),
  queue_time: z.number().optional(),
  tokens_used: z.number().optional(),
  cost: z.number().optional(),
});

/** Reads what a runtime says of a bare value's use; what is none says nothing. */
export function readUsage(header: string | undefined): Usage {
  return usageSchema.safeParse(parseOrText(header ?? '')).data ?? {};
}
