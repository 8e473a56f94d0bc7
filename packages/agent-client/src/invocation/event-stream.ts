import { encodeFrame, heartbeatFrame } from '@sandpiper/protocol';
import { toldOutside } from './told-outside.js';

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
  headers.set('cache-control', 'no-cache');
  headers.set('x-accel-buffering', 'no');
  for (const [name, value] of Object.entries(extraHeaders)) headers.set(name, value);
  return new Response(toBody(frames, cancel), { ...init, headers });
}

/** Values as plain frames (contract, section 4); an error is told in the last of them. */
export async function* plainFrames(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  try {
    for await (const value of values) yield encodeFrame(JSON.stringify(value));
  } catch (error) {
    yield encodeFrame(JSON.stringify(toldOutside(error)));
  }
}

function toBody(frames: AsyncIterable<string>, cancel: () => Promise<void>): ReadableStream<Uint8Array> {
  const texts = frames[Symbol.asyncIterator]();
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        heartbeat ??= setInterval(() => {
          // Only for a reader that waits: one that is behind has enough to read.
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(heartbeatFrame));
        }, heartbeatMs);
        const { done, value } = await texts.next();
        if (!done) {
          controller.enqueue(encoder.encode(value));
          return;
        }
        clearInterval(heartbeat);
        controller.close();
      },
      cancel() {
        clearInterval(heartbeat);
        return cancel();
      },
    },
    { highWaterMark: 1 },
  );
}
