import type { InvocationInput } from '../../invocation/request.js';
import type { SandboxSession } from '../../sessions/sandbox-session.js';
import { type InvocationStore, RecentInvocations } from './invocation-store.js';
import { respond, type UIMessageStreamOptions } from './ui-message-stream.js';

/** What `useChat` sends; `body` of the transport's options is in it too. */
export interface ChatBody {
  /** The chat's id. */
  id: string;
  messages: unknown[];
  [key: string]: unknown;
}

/** How chats are answered. */
export interface ChatHandlersOptions extends Pick<UIMessageStreamOptions, 'onError'> {
  /**
   * The session that a chat's agent runs in, for each request. To look at who asks is its task: what it throws is thrown
   * to the server, and a `Response` that it throws is the response.
   */
  session: (chatId: string, request: Request) => SandboxSession | Promise<SandboxSession>;
  /** What the agent is called with. Default: `{ data: body }`. */
  input?: ((body: ChatBody) => InvocationInput) | undefined;
  /** Default: this process's memory, of the last 10,000 chats. Give one of your own where several processes serve a chat. */
  invocations?: InvocationStore | undefined;
}

/** The handlers of one route, and of its sub-route for streams. */
export interface ChatHandlers {
  /** `POST {api}`: answers a message. The agent works on when the browser leaves, until the runtime gives up waiting. */
  POST(request: Request): Promise<Response>;
  /** `GET {api}/{id}/stream`: what `resumeStream` asks; 204 when nothing is being answered. */
  GET(request: Request): Promise<Response>;
  /** `DELETE {api}/{id}/stream`: stops the agent, which closing the connection cannot, as a reload closes it too. */
  DELETE(request: Request): Promise<Response>;
}

/**
 * Serves `useChat` so that a reload of the page in mid-answer goes on with the answer: the agent's runtime keeps its
 * events, so no other store of them is needed.
 *
 * @example
 * const chat = createChatHandlers({
 *   session: (id) => client.createSession('my-agent', { runtimeSessionId: id }),
 * });
 * app.post('/api/chat', (c) => chat.POST(c.req.raw));
 * app.get('/api/chat/:id/stream', (c) => chat.GET(c.req.raw));
 * app.delete('/api/chat/:id/stream', (c) => chat.DELETE(c.req.raw));
 */
export function createChatHandlers(options: ChatHandlersOptions): ChatHandlers {
  const { input = (body) => ({ data: body }), invocations = new RecentInvocations(), onError } = options;

  const session = async (chatId: string, request: Request): Promise<SandboxSession | Response> => {
    try {
      return await options.session(chatId, request);
    } catch (error) {
      if (error instanceof Response) return error;
      throw error;
    }
  };

  /** The invocation that answers the chat that a request names, and its session; a response where there is none. */
  const answeredIn = async (
    request: Request,
  ): Promise<{ found: SandboxSession; invocationId: string } | Response> => {
    const chatId = chatIdOf(request);
    const invocationId = chatId && (await invocations.get(chatId));
    if (!chatId || !invocationId) return nothing();
    const found = await session(chatId, request);
    return found instanceof Response ? found : { found, invocationId };
  };

  return {
    async POST(request) {
      const body: unknown = await request.json().catch(() => undefined);
      if (!isChatBody(body))
        return refusal(400, 'The body must have `id` and `messages`, as useChat sends them.');
      const found = await session(body.id, request);
      if (found instanceof Response) return found;
      const stream = found.stream(input(body));
      try {
        await invocations.set(body.id, stream.invocationId);
      } catch (error) {
        await stream.cancel();
        throw error;
      }
      return respond(stream, { onError }, {}, () => stream.detach());
    },

    async GET(request) {
      const answered = await answeredIn(request);
      if (answered instanceof Response) return answered;
      const { found, invocationId } = answered;
      const { signal } = request;
      // The message of one that has ended is the application's own to show.
      const state = await found.getInvocationState(invocationId, { signal });
      if (state !== 'running') return nothing();
      const stream = found.attach(invocationId);
      return respond(stream, { onError }, {}, () => stream.detach());
    },

    async DELETE(request) {
      const answered = await answeredIn(request);
      if (answered instanceof Response) return answered;
      const { found, invocationId } = answered;
      await found.cancelInvocation(invocationId);
      return nothing();
    },
  };
}

/** The SDK's `DefaultChatTransport` asks for `{api}/{id}/stream`. */
function chatIdOf(request: Request): string | undefined {
  const [, id] = /\/([^/]+)\/stream\/?$/.exec(new URL(request.url).pathname) ?? [];
  try {
    return id && decodeURIComponent(id);
  } catch {
    return undefined;
  }
}

function isChatBody(body: unknown): body is ChatBody {
  if (typeof body !== 'object' || body === null) return false;
  return 'id' in body && typeof body.id === 'string' && 'messages' in body && Array.isArray(body.messages);
}

function nothing(): Response {
  return new Response(undefined, { status: 204 });
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
