import { encodeFrame, heartbeatFrame } from '@sandpiper/protocol';
import { publicError } from './public-error.js';

/** After this much silence a heartbeat goes out, so that nothing on the way takes quiet for death. */
const heartbeatMs = 15_000;

const encoder = new TextEncoder();

/** Values as they are read, one for each pull; cancelled with its reader. */
export function toReadableStream<T>(
  source: AsyncIterable<T>,
  cancel: () => Promise<void>,
): ReadableStream<T> {
  const values = source[Symbol.asyncIterator]();
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { done, value } = await values.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel,
    },
    // Nothing is read ahead of the reader.
    { highWaterMark: 0 },
  );
}

/** A response of server-sent events, no faster than it is read, with heartbeats, and cancelled with its reader. */
export function toEventResponse(
  frames: AsyncIterable<string>,
  cancel: () => Promise<void>,
  init: ResponseInit,
  extraHeaders: Record<string, string>,
): Response {
  const headers = new Headers(init.headers);
  headers.set('content-type', 'text/event-stream; charset=utf-8');
  // Middleware that compresses holds a stream back to its end otherwise.
  headers.set('cache-control', 'no-cache, no-transform');
  headers.set('x-accel-buffering', 'no');
  for (const [name, value] of Object.entries(extraHeaders)) headers.set(name, value);
  return new Response(toBody(frames, cancel), { ...init, headers });
}

/** Values as plain frames (docs/wire-protocol.md, "Plain frames"); an error is in the last of them. */
export async function* plainFrames(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  try {
    for await (const value of values) yield encodeFrame(JSON.stringify(value));
  } catch (error) {
    yield encodeFrame(JSON.stringify(publicError(error)));
  }
}

function toBody(frames: AsyncIterable<string>, cancel: () => Promise<void>): ReadableStream<Uint8Array> {
  const texts = frames[Symbol.asyncIterator]();
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      // Called when a reader waits, and so never for a response that nobody reads.
      async pull(controller) {
        heartbeat = setInterval(() => {
          // A reader that has not taken the last one is behind.
          if (controller.desiredSize === 0) controller.enqueue(encoder.encode(heartbeatFrame));
        }, heartbeatMs);
        try {
          const { done, value } = await texts.next();
          if (done) controller.close();
          else controller.enqueue(encoder.encode(value));
        } finally {
          clearInterval(heartbeat);
        }
      },
      cancel() {
        clearInterval(heartbeat);
        return cancel();
      },
    },
    // Nothing is read ahead of the reader.
    { highWaterMark: 0 },
  );
}
