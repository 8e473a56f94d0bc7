import { headers as headerNames } from '@sandpiper/protocol';
import { sleep } from '../sleep.js';
import type { AgentAddress } from './agent-lease.js';
import { senderOf } from './response-sender.js';

/** How long a cancellation is tried for altogether. */
const patienceMs = 5_000;
const delayMs = 200;
const maxTries = 4;

/**
 * Tells a runtime that nobody wants an invocation any more; it would keep it for its caller to come back to. What is in
 * between may answer in its place, so the request is repeated until the agent itself responds. Never rejects: an agent that
 * cannot be reached gives the invocation up by itself when nobody comes back.
 */
export async function cancelInvocation(
  target: AgentAddress,
  { invocationId, requestId }: { invocationId: string; requestId: string },
): Promise<void> {
  const { endpoint, transport } = target;
  if (target.runtimeInstance === undefined) return;
  const signal = AbortSignal.timeout(patienceMs);
  for (let tries = 1; tries <= maxTries; tries += 1) {
    try {
      const response = await transport.request({
        method: 'DELETE',
        origin: endpoint.origin,
        path: `${endpoint.basePath}/invocations/${encodeURIComponent(invocationId)}`,
        headers: { ...endpoint.headers, [headerNames.requestId]: requestId },
        signal,
        firstByteTimeoutMs: 0,
      });
      response.body.cancel();
      if (senderOf(response, { invocationId, knownAgent: true }) === 'runtime') return;
    } catch {
      if (signal.aborted) return;
    }
    await sleep(delayMs * tries, signal).catch(() => {});
  }
}
