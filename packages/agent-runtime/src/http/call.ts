import { headers as headerNames } from '@sandpiper/protocol';
import type { Incoming } from './incoming.js';
import type { BodyReply } from './reply.js';

/** One request on its way through the runtime: what came in, how it is called, and when it came. */
export class Call {
  readonly incoming: Incoming;
  /** Names the request (docs/wire-protocol.md, "Requests"). */
  readonly requestId: string;
  /** Names the invocation; the request's own name unless the caller gave a key. */
  invocationId: string;
  /** The reply that an error of this call was given before, so that the same error gets the same reply. */
  failure: { readonly error: unknown; readonly reply: BodyReply } | undefined;
  /** Where a platform ends whatever a request began as soon as it is answered (Workers): keeps it going for a promise. */
  keepAlive: ((until: Promise<unknown>) => void) | undefined;
  /** On the clock of `performance.now()`. */
  readonly startedAt: number;

  /** @param outer - The call that this one goes on with, after a middleware made another request of it. */
  constructor(incoming: Incoming, outer?: Call) {
    this.incoming = incoming;
    if (outer) {
      this.requestId = outer.requestId;
      this.invocationId = outer.invocationId;
      this.startedAt = outer.startedAt;
      this.keepAlive = outer.keepAlive;
      return;
    }
    this.requestId =
      incoming.header(headerNames.requestId) ||
      incoming.header(headerNames.agentCoreRequestId) ||
      crypto.randomUUID();
    const key = incoming.header(headerNames.idempotencyKey);
    this.invocationId = key || this.requestId;
    this.startedAt = performance.now();
  }

  /** Seconds since the request came, to the microsecond. */
  seconds(): number {
    return Math.round((performance.now() - this.startedAt) * 1000) / 1e6;
  }
}
