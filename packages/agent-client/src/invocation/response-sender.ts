import { headers } from '@sandpiper/protocol';
import type { TransportResponse } from '../transport/transport.js';

/**
 * Who a response is from: the runtime that was asked, which names itself and the invocation; a foreign agent, or
 * something before it, which name neither; or something in between that answered in a runtime's place.
 */
export type Sender = 'runtime' | 'foreign' | 'stray';

/** What a request was about, and whether the agent it was for is known to be one of our runtimes. */
export interface Asked {
  invocationId: string;
  knownAgent: boolean;
}

/** Tells by the headers alone who a response is from (docs/wire-protocol.md, "Whose response it is"): a page or a body can look like anything. */
export function senderOf(response: TransportResponse, asked: Asked): Sender {
  if (response.header(headers.runtimeInstance) === undefined) return asked.knownAgent ? 'stray' : 'foreign';
  // A cache's copy has the id of the call that it was made for.
  return response.header(headers.invocationId) === asked.invocationId ? 'runtime' : 'stray';
}
