import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFrameDecoder } from './decode.js';
import { encodeFrame, heartbeatFrame } from './encode.js';
import type { FinalEvent, Frame } from './frame.js';

/** Cuts bytes at the given places (taken modulo their length) and decodes the pieces. */
function decodeInPieces(bytes: Uint8Array, cuts: number[]): { frames: Frame[]; heartbeats: number } {
  const frames: Frame[] = [];
  let heartbeats = 0;
  const decoder = createFrameDecoder({
    onFrame: (frame) => frames.push(frame),
    onHeartbeat: () => heartbeats++,
  });
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    decoder.push(bytes.subarray(from, place));
    from = place;
  }
  return { frames, heartbeats };
}

const event = fc.record({
  json: fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  ),
  id: fc.option(fc.nat(), { nil: undefined }),
  final: fc.option(fc.constantFrom<FinalEvent>('done', 'error'), { nil: undefined }),
  quietBefore: fc.boolean(),
});

describe('frames', () => {
  test('come out as they went in, wherever the network cuts the bytes', () => {
    fc.assert(
      fc.property(fc.array(event), fc.array(fc.nat()), (events, cuts) => {
        const text = events.map(
          (e) => (e.quietBefore ? heartbeatFrame : '') + encodeFrame(e.json, e.id, e.final),
        );
        const decoded = decodeInPieces(new TextEncoder().encode(text.join('')), cuts);
        expect(decoded.heartbeats).toBe(events.filter((e) => e.quietBefore).length);
        expect(decoded.frames).toEqual(
          events.map((e) => ({
            data: e.json,
            id: e.id?.toString(),
            // Only a numbered stream has typed ends.
            event: e.id === undefined ? undefined : e.final,
          })),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('are the same for any cutting of any bytes, well-formed or not', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('data: 1', 'data:', 'id: 7', 'event: done', 'retry: x', ': c', ''),
    );
    const eol = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(fc.array(fc.tuple(line, eol)), fc.array(fc.nat()), (lines, cuts) => {
        const bytes = new TextEncoder().encode(lines.flat().join(''));
        expect(decodeInPieces(bytes, cuts)).toEqual(decodeInPieces(bytes, []));
      }),
      { numRuns: 500 },
    );
  });

  test.each(['\n', '\r\n', '\r'])('come out with the line end that completes them: %j', (eol) => {
    const frames: string[] = [];
    const decoder = createFrameDecoder({ onFrame: ({ data }) => frames.push(data) });
    for (const data of ['1', '2']) {
      decoder.push(new TextEncoder().encode(`data: ${data}${eol}${eol}`));
      expect(frames.at(-1)).toBe(data);
    }
    expect(frames).toEqual(['1', '2']);
  });

  test('that are cut short by the end of the stream are dropped', () => {
    const bytes = new TextEncoder().encode('data: 1\n\ndata: 2\n');
    expect(decodeInPieces(bytes, []).frames.map((frame) => frame.data)).toEqual(['1']);
  });

  test('that never end are refused before they fill the memory', () => {
    const decoder = createFrameDecoder({ onFrame: () => {}, maxFrameLength: 1000 });
    const kilobyte = new Uint8Array(1000).fill(120);
    decoder.push(kilobyte);
    expect(() => decoder.push(kilobyte)).toThrow(RangeError);
  });
});
