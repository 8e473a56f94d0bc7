import { AgentRuntimeError, encodeFrame, heartbeatFrame } from '@sandpiper/protocol';

/** After this much silence a heartbeat goes out, so that nothing on the way takes quiet for death. */
const heartbeatMs = 15_000;

const encoder = new TextEncoder();

/** A source of values that can be told to stop. */
interface Cancellable<T> extends AsyncIterable<T> {
  cancel(): Promise<void>;
}

/** Values as they are read, one for each pull; cancelled with its reader. */
export function toReadableStream<T>(source: Cancellable<T>): ReadableStream<T> {
  const values = source[Symbol.asyncIterator]();
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { done, value } = await values.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => source.cancel(),
    },
    // Nothing is read ahead of the reader.
    { highWaterMark: 0 },
  );
}

/** Values as plain frames (contract, section 4); an error is told in the last of them. */
export function toEventStream<T>(source: Cancellable<T>): ReadableStream<Uint8Array> {
  const values = source[Symbol.asyncIterator]();
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  const stop = (): void => clearInterval(heartbeat);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        heartbeat ??= setInterval(() => {
          // Only for a reader that waits: one that is behind has enough to read.
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(heartbeatFrame));
        }, heartbeatMs);
        try {
          const { done, value } = await values.next();
          if (!done) return controller.enqueue(encoder.encode(encodeFrame(JSON.stringify(value))));
        } catch (error) {
          controller.enqueue(encoder.encode(encodeFrame(JSON.stringify(toPayload(error)))));
        }
        stop();
        controller.close();
      },
      cancel() {
        stop();
        return source.cancel();
      },
    },
    { highWaterMark: 1 },
  );
}

/** What of an error is meant for whoever is at the other end: the agent's own words, and no stack. */
function toPayload(error: unknown): { error: string; error_type: string } {
  if (!AgentRuntimeError.isInstance(error))
    return { error: 'The stream was aborted.', error_type: 'AbortError' };
  const named = 'errorType' in error && typeof error.errorType === 'string' ? error.errorType : error.name;
  return { error: error.message, error_type: named };
}
