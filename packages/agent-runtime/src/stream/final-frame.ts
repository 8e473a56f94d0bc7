import type { FinalEvent } from '@sandpiper/protocol';
import type { WireUsage } from '../context/usage.js';
import { describeError } from '../errors/describe-error.js';
import { type Ids, replyMetadata } from '../http/envelope.js';
import type { Failure } from './failure.js';

/** The frame a stream ends with. */
export interface FinalFrame {
  readonly event: FinalEvent;
  /** JSON text. */
  readonly json: string;
}

/** Makes the frame that says that a stream is complete, or what it was broken off for (docs/wire-protocol.md, "Resumable frames"). */
export function finalFrame(
  ids: Ids,
  seconds: number,
  { failure, usage }: { failure?: Failure | undefined; usage?: WireUsage | undefined },
): FinalFrame {
  if (!failure) {
    const done = { status: 'success', duration: seconds, metadata: replyMetadata(ids), ...usage };
    return { event: 'done', json: JSON.stringify(done) };
  }
  const { message, type } = describeError(failure.error);
  return { event: 'error', json: JSON.stringify({ error: message, error_type: type }) };
}
