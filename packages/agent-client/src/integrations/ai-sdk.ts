import type { UIMessageChunk } from 'ai';
import type { AgentStream } from '../invocation/agent-stream.js';
import { toEventResponse, toReadableStream } from '../invocation/event-stream.js';
import { toldOutside } from '../invocation/told-outside.js';

/** How an agent's answer is told to the AI SDK. */
export interface UIMessageStreamOptions {
  /** The id of the message that the answer becomes. Default: the invocation's. */
  messageId?: string | undefined;
}

/**
 * An agent's answer as the AI SDK's UI message stream: texts become text, the SDK's own chunks pass as they are, and any
 * other value becomes a `data-agent` part.
 *
 * @example
 * for await (const message of readUIMessageStream({ stream: toUIMessageStream(session.stream('Hello')) })) render(message);
 */
export function toUIMessageStream(
  stream: AgentStream,
  options: UIMessageStreamOptions = {},
): ReadableStream<UIMessageChunk> {
  return toReadableStream(chunks(stream, options), () => stream.cancel());
}

/**
 * The same as a response for `useChat`: no faster than the browser reads, and stopped when it leaves.
 *
 * @example
 * export async function POST(request: Request): Promise<Response> {
 *   const { messages } = await request.json();
 *   return toUIMessageStreamResponse(session.stream({ data: { messages } }, { signal: request.signal }));
 * }
 */
export function toUIMessageStreamResponse(
  stream: AgentStream,
  options: UIMessageStreamOptions & ResponseInit = {},
): Response {
  const { messageId, ...init } = options;
  return toEventResponse(frames(chunks(stream, { messageId })), () => stream.cancel(), init, {
    // How the AI SDK knows its own protocol (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol).
    'x-vercel-ai-ui-message-stream': 'v1',
  });
}

async function* frames(chunks: AsyncIterable<UIMessageChunk>): AsyncGenerator<string> {
  for await (const chunk of chunks) yield `data: ${JSON.stringify(chunk)}\n\n`;
  yield 'data: [DONE]\n\n';
}

async function* chunks(stream: AgentStream, options: UIMessageStreamOptions): AsyncGenerator<UIMessageChunk> {
  const { messageId = stream.invocationId } = options;
  let texts = 0;
  let open: string | undefined;
  yield { type: 'start', messageId };
  yield { type: 'start-step' };
  try {
    for await (const value of stream) {
      if (typeof value === 'string') {
        if (open === undefined) {
          texts += 1;
          open = `text-${texts}`;
          yield { type: 'text-start', id: open };
        }
        yield { type: 'text-delta', id: open, delta: value };
        continue;
      }
      if (open !== undefined) yield { type: 'text-end', id: open };
      open = undefined;
      yield isChunk(value) ? value : { type: 'data-agent', data: value };
    }
    if (open !== undefined) yield { type: 'text-end', id: open };
  } catch (error) {
    if (open !== undefined) yield { type: 'text-end', id: open };
    yield { type: 'error', errorText: toldOutside(error).error };
  }
  yield { type: 'finish-step' };
  yield { type: 'finish' };
}

/** Chunks that mean something within a message. Its frame, `start` to `finish`, is ours to write. */
const chunkTypes =
  /^(text|reasoning)-(start|delta|end)$|^tool-(input|output)-|^source-|^file$|^data-|^message-metadata$/;

function isChunk(value: unknown): value is UIMessageChunk {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return typeof value.type === 'string' && chunkTypes.test(value.type);
}
