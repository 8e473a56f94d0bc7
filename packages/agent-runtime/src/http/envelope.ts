import { headers as headerNames } from '@sandpiper/protocol';
import type { WireUsage } from '../context/usage.js';
import { describeError } from '../errors/describe-error.js';
import { RequestError } from '../errors/request-error.js';
import { toJson } from '../json/to-json.js';
import type { Call } from './call.js';
import { type BodyReply, jsonReply } from './reply.js';

/** What names a request and its invocation. */
export type Ids = Pick<Call, 'requestId' | 'invocationId'>;

/** The two response formats (docs/wire-protocol.md, "Response formats"). */
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

/** The error reply of this family (docs/wire-protocol.md, "Responses"). The raw one names the type of the runtime's own refusals only. */
export function errorReply(
  format: ResponseFormat,
  error: unknown,
  call: Call,
  debug: boolean,
  { seconds = call.seconds(), usage }: { seconds?: number; usage?: WireUsage | undefined } = {},
): BodyReply {
  const { status, message, type, details, stack, headers } = describeError(error);
  const more = { ...(details !== undefined && { details }), ...(debug && { stack }) };
  const content =
    format === 'raw'
      ? { error: message, ...(RequestError.isInstance(error) && { error_type: type }), ...more }
      : {
          result: null,
          status: 'error',
          error: message,
          error_type: type,
          ...more,
          duration: seconds,
          metadata: replyMetadata(call),
          ...usage,
        };
  const used = format === 'raw' ? usageHeader(usage) : [];
  return jsonReply(status, toJson(content), ...Object.entries(headers).flat(), ...used);
}

/** Says what was used where the body cannot. */
export function usageHeader(usage: WireUsage | undefined): string[] {
  return usage ? [headerNames.usage, JSON.stringify(usage)] : [];
}

/** What a response says about its request. */
export function replyMetadata(call: Ids): { request_id: string; invocation_id: string } {
  return { request_id: call.requestId, invocation_id: call.invocationId };
}
