import { headers as headerNames, type PingResponse, pingResponseSchema } from '@sandpiper/protocol';
import { describeBody } from '../describe-body.js';
import { InvocationError } from '../errors/invocation-error.js';
import type { TransportResponse } from '../transport/transport.js';
import type { AgentAddress } from './agent-lease.js';
import { AttemptFailure } from './attempt-failure.js';
import { parseOrText } from './decode/parse-or-text.js';
import { readText } from './read-text.js';
import { type Sender, senderOf } from './response-sender.js';
import { fromStatus } from './status-failure.js';
import { strayFailure } from './stray-failure.js';
import { fromTransport } from './transport-failure.js';

const maxPingBytes = 64 * 1024;

/**
 * Asks an agent how it is, once, and learns by the way which process it is.
 *
 * @throws AttemptFailure, or the signal's reason.
 */
export async function attemptPing(target: AgentAddress, signal: AbortSignal): Promise<PingResponse> {
  // A runtime gives it back in `X-Invocation-Id`: a copy that a cache kept of another ping has another one.
  const invocationId = crypto.randomUUID();
  const facts = { sandboxId: target.sandboxId };
  let text: string;
  let response: TransportResponse;
  let sender: Sender;
  try {
    response = await target.transport.request({
      method: 'GET',
      origin: target.endpoint.origin,
      path: `${target.endpoint.basePath}/ping`,
      headers: {
        ...target.endpoint.headers,
        accept: 'application/json',
        'cache-control': 'no-cache, no-store',
        [headerNames.idempotencyKey]: invocationId,
      },
      signal,
      firstByteTimeoutMs: 0,
    });
    sender = senderOf(response, { invocationId, knownAgent: target.runtimeInstance !== undefined });
    if (response.status >= 300) throw await fromStatus(response, { facts, sender });
    text = await readText(response.body, maxPingBytes);
  } catch (error) {
    throw fromTransport(error, facts);
  }
  if (sender === 'stray') throw strayFailure(response, text, facts);
  if (Number(response.header('age')) > 0) throw notUnderstood('is the copy of a cache', facts);
  target.runtimeInstance = response.header(headerNames.runtimeInstance);
  const ping = pingResponseSchema.safeParse(parseOrText(text)).data;
  if (ping) return ping;
  throw notUnderstood(`is not what an agent says${describeBody(text)}`, facts);
}

function notUnderstood(reason: string, facts: { sandboxId: string }): AttemptFailure {
  const message = `The response to /ping ${reason}.`;
  return new AttemptFailure(new InvocationError(message, { ...facts, outcome: 'failed' }), 'never');
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
