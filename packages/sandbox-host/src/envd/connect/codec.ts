import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import { ConnectError } from './connect-error.js';

/** How messages are written: E2B's SDKs write JSON. */
export type Codec = 'json' | 'proto';

/** @throws ConnectError for bytes that are no such message. */
export function decode<T extends DescMessage>(codec: Codec, schema: T, bytes: Buffer): MessageShape<T> {
  try {
    if (codec === 'proto') return fromBinary(schema, bytes);
    return fromJson(schema, JSON.parse(bytes.toString() || '{}'), { ignoreUnknownFields: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConnectError(`This is no ${schema.typeName}: ${reason}`, 'invalid_argument');
  }
}

export function encode<T extends DescMessage>(
  codec: Codec,
  schema: T,
  init: MessageInitShape<T>,
): string | Uint8Array {
  const message = create(schema, init);
  return codec === 'json' ? toJsonString(schema, message) : toBinary(schema, message);
}
