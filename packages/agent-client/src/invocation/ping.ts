import { headers as names, type PingResponse, pingResponseSchema } from '@sandpiper/protocol';
import { InvocationError } from '../errors/invocation-error.js';
import type { TransportResponse } from '../transport/transport.js';
import type { AgentAddress } from './agent-lease.js';
import { AttemptFailure } from './attempt-failure.js';
import { parseOrText } from './decode/parse-or-text.js';
import { readText } from './read-text.js';
import { fromStatus } from './status-failure.js';
import { fromTransport } from './transport-failure.js';

const maxPingBytes = 64 * 1024;

/**
 * Asks an agent how it is, once, and learns by the way which process it is.
 *
 * @throws AttemptFailure, or the signal's reason.
 */
export async function attemptPing(target: AgentAddress, signal: AbortSignal): Promise<PingResponse> {
  const facts = { sandboxId: target.sandboxId };
  let text: string;
  let response: TransportResponse;
  try {
    response = await target.transport.request({
      method: 'GET',
      origin: target.endpoint.origin,
      path: `${target.endpoint.basePath}/ping`,
      headers: { ...target.endpoint.headers, accept: 'application/json' },
      signal,
      firstByteTimeoutMs: 0,
    });
    if (response.status >= 300) throw await fromStatus(response, facts);
    text = await readText(response.body, maxPingBytes);
  } catch (error) {
    throw fromTransport(error, facts);
  }
  target.runtimeInstance = response.header(names.runtimeInstance);
  const ping = pingResponseSchema.safeParse(parseOrText(text)).data;
  if (ping) return ping;
  const message = `The agent's answer to /ping is not what an agent says: ${text.slice(0, 200)}`;
  throw new AttemptFailure(new InvocationError(message, { ...facts, outcome: 'failed' }), 'never');
}

/**
 * Asks an agent how it is.
 *
 * @throws NetworkError when it cannot be reached, InvocationError when it answers that it is unwell.
 */
export async function ping(target: AgentAddress, signal: AbortSignal): Promise<PingResponse> {
  try {
    return await attemptPing(target, signal);
  } catch (error) {
    throw error instanceof AttemptFailure ? error.error : error;
  }
}
