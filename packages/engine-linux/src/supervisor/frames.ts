/**
 * What the host and a supervisor say to each other: frames of strings. A frame is its length, then each string after
 * its own length; lengths are four bytes, the highest first.
 */
export function encodeFrame(fields: (string | Uint8Array)[]): Buffer {
  const parts = fields.map((field) => withLength(Buffer.from(field)));
  return withLength(Buffer.concat(parts));
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Takes frames apart that arrive in pieces. */
export function frameReader(onFrame: (fields: string[]) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const end = 4 + rest.readUInt32BE();
      const fields: string[] = [];
      for (let at = 4; at < end; ) {
        const next = at + 4 + rest.readUInt32BE(at);
        fields.push(rest.toString('utf8', at + 4, next));
        at = next;
      }
      rest = rest.subarray(end);
      onFrame(fields);
    }
  };
}
