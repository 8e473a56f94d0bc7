import { headers as names } from '@sandpiper/protocol';
import type { WireUsage } from '../context/usage.js';
import { describeError } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import type { Call } from '../http/call.js';
import { type BodyReply, jsonReply } from '../http/reply.js';
import { toJson } from '../json/to-json.js';
import type { FinalFrame } from '../stream/frames.js';

type Ids = Pick<Call, 'requestId' | 'invocationId'>;

/** The two wire families of the contract. */
export type ResponseFormat = 'envelope' | 'raw';

/** The envelope of a success; `value` is JSON text. */
export function successBody(
  value: string,
  call: Call,
  { seconds, usage }: { seconds: number; usage: WireUsage | undefined },
): string {
  // Put together by hand: the value is JSON already, and this is on every request's way.
  const requestId = JSON.stringify(call.requestId);
  const invocationId = call.invocationId === call.requestId ? requestId : JSON.stringify(call.invocationId);
  const used = usage ? `,${JSON.stringify(usage).slice(1, -1)}` : '';
  return `{"result":${value},"status":"success","duration":${seconds},"metadata":{"request_id":${requestId},"invocation_id":${invocationId}}${used}}`;
}

/** How an error is told in this family (contract, section 3). The raw one names the type of the runtime's own refusals only. */
export function errorReply(
  format: ResponseFormat,
  thrown: unknown,
  call: Call,
  debug: boolean,
  { seconds = call.seconds(), usage }: { seconds?: number; usage?: WireUsage | undefined } = {},
): BodyReply {
  const { status, message, type, details, stack, headers } = describeError(thrown);
  const more = { ...(details !== undefined && { details }), ...(debug && { stack }) };
  const told =
    format === 'raw'
      ? { error: message, ...(RequestError.isInstance(thrown) && { error_type: type }), ...more }
      : {
          result: null,
          status: 'error',
          error: message,
          error_type: type,
          ...more,
          duration: seconds,
          metadata: metadata(call),
          ...usage,
        };
  const used = format === 'raw' ? usageHeader(usage) : [];
  return jsonReply(status, toJson(told), ...Object.entries(headers).flat(), ...used);
}

/** Says what was used where the body cannot. */
export function usageHeader(usage: WireUsage | undefined): string[] {
  return usage ? [names.usage, JSON.stringify(usage)] : [];
}

/** How a stream tells that it came to its end, or what it broke off for (contract, section 4). */
export function finalFrame(
  call: Ids,
  seconds: number,
  { thrown, usage }: { thrown?: { readonly error: unknown } | undefined; usage?: WireUsage | undefined },
): FinalFrame {
  if (!thrown) {
    const done = { status: 'success', duration: seconds, metadata: metadata(call), ...usage };
    return { event: 'done', json: JSON.stringify(done) };
  }
  const { message, type } = describeError(thrown.error);
  return { event: 'error', json: JSON.stringify({ error: message, error_type: type }) };
}

/** What an answer says about its request. */
function metadata(call: Ids): { request_id: string; invocation_id: string } {
  return { request_id: call.requestId, invocation_id: call.invocationId };
}
