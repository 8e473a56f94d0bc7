import type { UIMessageChunk } from 'ai';
import type { AgentStream } from '../../invocation/agent-stream.js';
import { toEventResponse, toReadableStream } from '../../invocation/event-stream.js';
import { MessageChunks } from './message-chunks.js';

/** How an agent's values become a message of the AI SDK's. */
export interface UIMessageStreamOptions {
  /** The message's id. Default: the agent's own, where it gives one; else the AI SDK makes one, or continues its last. */
  messageId?: string | undefined;
  /**
   * What the browser hears of an error, of the agent's or on the way to it. Default: one general sentence, for an error's
   * own words may name what is nobody's business.
   */
  onError?: ((error: unknown) => string) | undefined;
}

const generalSentence = (): string => 'An error occurred.';

/**
 * An agent's values as the AI SDK's UI message stream, for its majors 5, 6 and 7. Texts become text; the SDK's own chunks
 * and the parts of a `fullStream` become what they are to the SDK; any other value becomes a `data-agent` part.
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
  const { messageId, onError, ...init } = options;
  return respond(stream, { messageId, onError }, init, () => stream.cancel());
}

/** The response of both who stop the agent when their reader leaves, and who let it work on for a while. */
export function respond(
  stream: AgentStream,
  options: UIMessageStreamOptions,
  init: ResponseInit,
  onLeft: () => Promise<void>,
): Response {
  return toEventResponse(frames(chunks(stream, options)), onLeft, init, {
    // How the AI SDK knows its own protocol (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol).
    'x-vercel-ai-ui-message-stream': 'v1',
  });
}

async function* frames(chunks: AsyncIterable<UIMessageChunk>): AsyncGenerator<string> {
  for await (const chunk of chunks) yield `data: ${JSON.stringify(chunk)}\n\n`;
  yield 'data: [DONE]\n\n';
}

async function* chunks(stream: AgentStream, options: UIMessageStreamOptions): AsyncGenerator<UIMessageChunk> {
  const { messageId, onError = generalSentence } = options;
  const message = new MessageChunks({ idPrefix: stream.invocationId, messageId, onError });
  try {
    for await (const value of stream) yield* message.add(value);
  } catch (error) {
    yield* message.fail(onError(error));
    return;
  }
  yield* message.end();
}
