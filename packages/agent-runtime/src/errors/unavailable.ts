import { refusals } from '@sandpiper/protocol';
import { RequestError } from './request-error.js';

/** 503: nothing ran, and the same request may be sent again in a while. */
export function unavailable(message: string): RequestError {
  return new RequestError(503, refusals.unavailable, message, {
    retryable: true,
    headers: { 'retry-after': '1' },
  });
}
