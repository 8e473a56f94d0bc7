import type { AgentRuntimeErrorOptions } from '@sandpiper/protocol';
import * as z from 'zod';
import { NetworkError } from '../errors/network-error.js';
import { SessionNotFoundError } from '../errors/session-not-found-error.js';
import { AttemptFailure } from './attempt-failure.js';

/** What is said in a gateway's own words: E2B's, PPIO's and our own host's. */
const gatewayBodySchema = z.looseObject({
  sandboxId: z.string().optional(),
  message: z.string(),
  error: z.undefined().optional(),
});
const portClosed = /^The sandbox is running but port is not open\.?$/i;
const sandboxMissing = /^The sandbox (was not found|is paused)\.?$/i;

/**
 * Reads the sentences by which a sandbox gateway says that no agent got the request.
 *
 * @returns undefined for all else, which may be the agent quoting others: then it has run.
 */
export function gatewayFailure(
  status: number,
  body: unknown,
  options: AgentRuntimeErrorOptions,
): AttemptFailure | undefined {
  const said = status === 502 ? gatewayBodySchema.safeParse(body).data : undefined;
  if (!said || (said.sandboxId !== undefined && !said.sandboxId.startsWith(options.sandboxId ?? ''))) {
    return undefined;
  }
  if (portClosed.test(said.message)) {
    const message = `No agent listens in the sandbox: ${said.message}`;
    return new AttemptFailure(new NetworkError(message, { ...options, retryable: true }), 'anywhere');
  }
  if (!sandboxMissing.test(said.message)) return undefined;
  return new AttemptFailure(new SessionNotFoundError(said.message, options), 'anywhere', {
    sandboxMissing: true,
  });
}
