export {
  type ChatBody,
  type ChatHandlers,
  type ChatHandlersOptions,
  createChatHandlers,
} from './chat-handlers.js';
export type { InvocationStore } from './invocation-store.js';
export {
  toUIMessageStream,
  toUIMessageStreamResponse,
  type UIMessageStreamOptions,
} from './ui-message-stream.js';
