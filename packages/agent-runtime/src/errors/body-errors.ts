import { refusals } from '@sandpiper/protocol';
import { RequestError } from './request-error.js';

/** 413: a body outgrew `maxRequestBytes`, by its declared length or as it came. */
export function tooLarge(maxBytes: number): RequestError {
  return new RequestError(
    413,
    refusals.requestTooLarge,
    `The body is over ${maxBytes} bytes (RuntimeConfig.maxRequestBytes, AGENT_RUNTIME_MAX_REQUEST_BYTES).`,
  );
}

/** 400: a body is not UTF-8 (docs/wire-protocol.md, "Refusals"). */
export function invalidEncoding(): RequestError {
  return new RequestError(400, refusals.invalidEncoding, 'Invalid encoding: the body is not UTF-8.');
}
