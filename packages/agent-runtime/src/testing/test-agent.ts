import {
  createFrameDecoder,
  errorPayloadSchema,
  type Frame,
  headers as headerNames,
  resumableStream,
} from '@sandpiper/protocol';

/** What handles requests: an `AgentRuntimeApp`, or anything else that has a `fetch`. */
export interface Fetchable {
  fetch(request: Request): Promise<Response>;
}

/** How an invocation is sent. */
export interface InvokeOptions {
  headers?: Record<string, string> | undefined;
  /** Names the invocation, so that it can be sent again. */
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** How a stream is read. */
export interface StreamOptions extends InvokeOptions {
  /** Leaves after this many values, as a caller does whose connection breaks. */
  cutAfter?: number | undefined;
  /** Goes on after the event of this number; needs the stream's `idempotencyKey`. */
  lastEventId?: number | undefined;
}

/** What was read of a stream. */
export interface CollectedStream {
  values: unknown[];
  /** The number of the last event that was read. */
  lastEventId: number;
  /** How it ended; undefined when it was cut. */
  end: 'done' | 'error' | undefined;
  /** What its error frame says. */
  error: { error: string; error_type?: string | undefined } | undefined;
}

/** An agent in memory: no port, no server. */
export interface TestAgent {
  /** Sends a request, and gives the response as it is. */
  request(body: unknown, options?: InvokeOptions): Promise<Response>;
  /** Invokes the agent and gives the response's JSON: the envelope, or the bare value of the raw family. */
  invoke(body: unknown, options?: InvokeOptions): Promise<unknown>;
  /** Invokes the agent and reads its stream to the end, or up to a cut. */
  stream(body: unknown, options?: StreamOptions): Promise<CollectedStream>;
}

/**
 * Speaks with an app in memory.
 *
 * @example
 * ```ts
 * const agent = testAgent(app);
 * const first = await agent.stream({ city: 'Oslo' }, { idempotencyKey: 'k', cutAfter: 2 });
 * const rest = await agent.stream({ city: 'Oslo' }, { idempotencyKey: 'k', lastEventId: first.lastEventId });
 * ```
 */
export function testAgent(app: Fetchable): TestAgent {
  const send = (
    body: unknown,
    options: InvokeOptions,
    more: Record<string, string> = {},
  ): Promise<Response> => {
    const headers = { ...options.headers, ...more };
    if (options.idempotencyKey !== undefined) headers[headerNames.idempotencyKey] = options.idempotencyKey;
    return app.fetch(
      new Request('http://agent/invocations', {
        method: 'POST',
        body: JSON.stringify(body),
        headers,
        ...(options.signal && { signal: options.signal }),
      }),
    );
  };
  return {
    request: (body, options = {}) => send(body, options),
    invoke: async (body, options = {}) => (await send(body, options)).json(),
    stream: async (body, options = {}) => {
      const replyOptions: Record<string, string> = { [headerNames.streamProtocol]: resumableStream };
      if (options.lastEventId !== undefined)
        replyOptions[headerNames.lastEventId] = String(options.lastEventId);
      const response = await send(body, options, replyOptions);
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
        throw new TypeError(
          `The agent answered ${response.status} without a stream: ${await response.text()}`,
        );
      }
      return collect(response, options);
    },
  };
}

async function collect(
  response: Response,
  { cutAfter = Number.POSITIVE_INFINITY, lastEventId = 0 }: StreamOptions,
): Promise<CollectedStream> {
  const collected: CollectedStream = { values: [], lastEventId, end: undefined, error: undefined };
  const decoder = createFrameDecoder({
    onFrame: (frame) => {
      if (collected.values.length < cutAfter) add(collected, frame);
    },
  });
  const reader = response.body?.getReader();
  while (collected.values.length < cutAfter) {
    const step = await reader?.read();
    if (!step || step.done) return collected;
    decoder.push(step.value);
  }
  await reader?.cancel();
  return collected;
}

function add(collected: CollectedStream, { data, event, id }: Frame): void {
  const payload: unknown = JSON.parse(data);
  if (id !== undefined) collected.lastEventId = Number(id);
  if (event === 'error') {
    collected.end = 'error';
    collected.error = errorPayloadSchema.parse(payload);
  } else if (event === 'done') collected.end = 'done';
  else collected.values.push(payload);
}
