import { encodeFrame } from '@sandpiper/protocol';
import { describeError } from '../errors/describe-error.js';
import { toJson } from '../json/to-json.js';
import type { StreamFrames } from './pump.js';

/** Frames for every caller that did not ask for more: values, and an error at the end of a failed stream (contract, section 4). */
export const plainFrames: StreamFrames = {
  value: (value) => encodeFrame(toJson(value)),
  end: (thrown) => thrown && encodeFrame(toJson(errorPayload(thrown.error))),
};

/** What an error frame says. */
export function errorPayload(error: unknown): { error: string; error_type: string } {
  const { message, type } = describeError(error);
  return { error: message, error_type: type };
}
