import * as z from 'zod';

/**
 * The conventional body of `POST /invocations`. An agent accepts any JSON value; these are the fields the
 * field agrees on, in the wire's spelling, because a body is handed to the agent exactly as it was written.
 */
export interface InvocationRequest {
  /** What the user said. A plain string given to a client is sent as `{ prompt }`. */
  prompt?: string;
  /** Input of the agent's own shape. */
  data?: Record<string, unknown>;
  /** The sandbox the agent runs in; filled in by the platform. */
  sandbox_id?: string;
  /** How long the agent may take, in seconds. Advice to the agent: the runtime's own limit is its configuration's. */
  timeout?: number;
  /** Whether the caller would like a stream. The handler decides: what it returns is what is sent. */
  stream?: boolean;
  /** The most tokens that a model may generate. */
  max_tokens?: number;
  /** The model's sampling temperature. */
  temperature?: number;
  /** Anything the caller wants to travel along. */
  metadata?: Record<string, unknown>;
  /** The end user on whose behalf this is. */
  user_id?: string;
  /** The caller's own name for this request. */
  request_id?: string;
  /** Wishes about the stream, such as `{ include_metadata: true }`. */
  stream_options?: Record<string, unknown>;
  [field: string]: unknown;
}

/** The envelope of a response that is no stream, as it is on the wire (docs/wire-protocol.md, "Responses"). */
export interface InvocationEnvelope {
  result: unknown;
  status: string;
  /** Seconds. */
  duration?: number | undefined;
  metadata?: Record<string, unknown> | null | undefined;
  error?: string | null | undefined;
  error_type?: string | null | undefined;
  /** What a schema or a validator found, with paths. */
  details?: unknown;
  processing_time?: number | null | undefined;
  queue_time?: number | null | undefined;
  tokens_used?: number | null | undefined;
  cost?: number | null | undefined;
}

/** Tells an envelope from the bare value of the raw family. */
export const invocationEnvelopeSchema: z.ZodType<InvocationEnvelope, unknown> = z.looseObject({
  result: z.unknown(),
  status: z.string(),
  duration: z.number().optional(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  error: z.string().nullish(),
  error_type: z.string().nullish(),
  details: z.unknown().optional(),
  processing_time: z.number().nullish(),
  queue_time: z.number().nullish(),
  tokens_used: z.number().nullish(),
  cost: z.number().nullish(),
});

/** The payload of an error frame, and the part that every error body has in common. */
export interface ErrorPayload {
  error: string;
  error_type?: string | undefined;
}

/** Reads an error frame's payload or an error body of either family; fields it does not know are kept. */
export const errorPayloadSchema: z.ZodType<ErrorPayload, unknown> = z.looseObject({
  error: z.string(),
  error_type: z.string().optional(),
});

/** The payload of a resumable stream's `done` frame (docs/wire-protocol.md, "Resumable frames"). */
export interface DonePayload {
  status: string;
  /** Seconds. */
  duration: number;
  metadata: Record<string, unknown>;
  /** False when the event before it is the whole result of an invocation that did not stream. */
  streamed?: boolean | undefined;
  processing_time?: number | null | undefined;
  queue_time?: number | null | undefined;
  tokens_used?: number | null | undefined;
  cost?: number | null | undefined;
}

/** Reads the payload of a `done` frame. */
export const donePayloadSchema: z.ZodType<DonePayload, unknown> = z.looseObject({
  status: z.string(),
  duration: z.number(),
  metadata: z.record(z.string(), z.unknown()),
  streamed: z.boolean().optional(),
  processing_time: z.number().nullish(),
  queue_time: z.number().nullish(),
  tokens_used: z.number().nullish(),
  cost: z.number().nullish(),
});

/** Where an invocation stands, as `GET /invocations/{id}` says. */
export type InvocationState = 'running' | 'succeeded' | 'failed' | 'cancelled';
