import { headers as headerNames, type InvocationState } from '@sandpiper/protocol';
import * as z from 'zod';
import { InvocationError } from '../errors/invocation-error.js';
import type { AgentAddress } from './agent-lease.js';
import { AttemptFailure } from './attempt-failure.js';
import { parseOrText } from './decode/parse-or-text.js';
import { readStart } from './read-text.js';
import { senderOf } from './response-sender.js';
import { fromStatus } from './status-failure.js';
import { fromTransport } from './transport-failure.js';

const stateSchema = z.looseObject({ state: z.enum(['running', 'succeeded', 'failed', 'cancelled']) });
/** The state comes before the result, which may be long and is not wanted here. */
const maxBytes = 64 * 1024;

/**
 * Asks an agent where an invocation stands.
 *
 * @returns undefined when it knows no such invocation.
 * @throws InvocationError when something else answers, or NetworkError.
 */
export async function invocationState(
  target: AgentAddress,
  { invocationId, signal }: { invocationId: string; signal: AbortSignal },
): Promise<InvocationState | undefined> {
  const { endpoint, transport, sandboxId } = target;
  const facts = { sandboxId, invocationId, requestId: crypto.randomUUID() };
  try {
    const response = await transport.request({
      method: 'GET',
      origin: endpoint.origin,
      path: `${endpoint.basePath}/invocations/${encodeURIComponent(invocationId)}`,
      headers: { ...endpoint.headers, accept: 'application/json', [headerNames.requestId]: facts.requestId },
      signal,
      firstByteTimeoutMs: 0,
    });
    const sender = senderOf(response, { invocationId, knownAgent: true });
    if (sender === 'runtime' && (response.status === 404 || response.status === 410)) {
      response.body.cancel();
      return undefined;
    }
    if (response.status >= 300) throw await fromStatus(response, { facts, sender });
    const { text } = await readStart(response.body, maxBytes);
    const known = sender === 'runtime' ? stateSchema.safeParse(parseOrText(text)).data : undefined;
    if (known) return known.state;
    const message = 'Something else answered than the agent, when it was asked about an invocation.';
    throw new InvocationError(message, { ...facts, outcome: 'unknown' });
  } catch (error) {
    const failure = fromTransport(error, facts);
    throw failure instanceof AttemptFailure ? failure.error : failure;
  }
}
