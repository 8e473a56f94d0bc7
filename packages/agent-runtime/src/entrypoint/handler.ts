import type { InvocationRequest } from '@sandpiper/protocol';
import type { RequestContext } from '../context/request-context.js';
import type { InputSchema } from './input-schema.js';

/**
 * An agent: takes a request and gives a value, a promise of one, a generator or another iterable to be
 * streamed, or a `Response`.
 */
export type Handler<Input = InvocationRequest, Output = unknown> = (
  request: Input,
  context: RequestContext,
) => Output;

/** How an entry point is registered. */
export interface EntrypointOptions<Input> {
  /** What the request must look like; the handler gets what it parses to. A request that differs gets 400. */
  input: InputSchema<Input>;
}

/** A handler with its input check, as the runtime calls it. */
export interface Entrypoint {
  readonly handler: Handler<never>;
  readonly input: InputSchema<unknown> | undefined;
}
