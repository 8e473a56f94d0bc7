import { describeError } from '../errors/describe-error.js';
import type { Call } from '../http/call.js';
import type { BodyReply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';

/** The two wire families of the contract. */
export type ResponseFormat = 'envelope' | 'raw';

const json = 'application/json; charset=utf-8';

/** The body of a success; `value` is JSON text. */
export function successBody(format: ResponseFormat, value: string, call: Call): string {
  if (format === 'raw') return value;
  // Put together by hand: the value is JSON already, and this is on every request's way.
  return `{"result":${value},"status":"success","duration":${call.seconds()},"metadata":${JSON.stringify(metadata(call))}}`;
}

/** What an answer says about its request. */
export function metadata(call: Call): { request_id: string; invocation_id: string } {
  return { request_id: call.requestId, invocation_id: call.invocationId };
}

/** A complete answer of JSON text. */
export function jsonReply(status: number, body: string, headers: Record<string, string> = {}): BodyReply {
  return { kind: 'body', status, headers: { 'content-type': json, ...headers }, body };
}

/** How an error is told in this family (contract, section 3). */
export function errorReply(format: ResponseFormat, thrown: unknown, call: Call, debug: boolean): BodyReply {
  const { status, message, type, details, stack, headers } = describeError(thrown);
  const more = { ...(details !== undefined && { details }), ...(debug && { stack }) };
  const body =
    format === 'raw'
      ? { error: message, ...more }
      : {
          result: null,
          status: 'error',
          error: message,
          error_type: type,
          ...more,
          duration: call.seconds(),
          metadata: metadata(call),
        };
  return jsonReply(status, toJson(body), headers);
}
