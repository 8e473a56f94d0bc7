export { type ChatCompletionsOptions, createChatCompletions } from './chat-completions.js';
export type { ChatMessage, ChatRequest } from './chat-request.js';
