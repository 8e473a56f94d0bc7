import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type * as aiModule from 'ai';

/** One major of the AI SDK, or why this machine has none. */
export interface AiSdk {
  major: number;
  /** Empty where it can be loaded. */
  missing: string;
  load(): Promise<LoadedSdk>;
}

/** The parts of one major that tests use. */
export interface LoadedSdk {
  ai: typeof aiModule;
  Chat: new (init: object) => ChatLike;
  /** A model that gives one answer after the other, in the provider's own terms. */
  model(answers: readonly Answer[]): aiModule.LanguageModel;
}

/** One answer of a model. */
export interface Answer {
  parts: readonly object[];
  reason?: 'stop' | 'tool-calls';
}

/** What is used of `@ai-sdk/react`'s `Chat`, the state behind `useChat`, alike in its majors. */
export interface ChatLike {
  readonly messages: aiModule.UIMessage[];
  readonly status: string;
  readonly error: Error | undefined;
  sendMessage(message?: { text: string }): Promise<void>;
  resumeStream(): Promise<void>;
  stop(): Promise<void>;
  addToolResult?(result: object): Promise<void>;
  addToolOutput?(result: object): Promise<void>;
  addToolApprovalResponse?(response: object): Promise<void>;
}

const modules = fileURLToPath(new URL('../peers/node_modules/', import.meta.url));
const node = Number(process.versions.node.split('.')[0]);

function major(ai: number, react: number, entry: string): AiSdk {
  const paths = [
    `${modules}ai-${ai}/dist/${entry}`,
    `${modules}ai-${ai}/dist/test/${entry}`,
    `${modules}@ai-sdk/react-${react}/dist/${entry}`,
  ] as const;
  const missing = !paths.every((path) => existsSync(path))
    ? 'not installed: node packages/agent-client/test/peers/install.mjs'
    : ai >= 7 && node < 22
      ? 'AI SDK 7 needs Node 22'
      : '';
  return {
    major: ai,
    missing,
    async load() {
      const [sdk, mocks, hooks] = await Promise.all(paths.map((path) => import(/* @vite-ignore */ path)));
      const Model = mocks[`MockLanguageModelV${ai - 3}`];
      const model = (answers: readonly Answer[]): aiModule.LanguageModel => {
        let next = 0;
        return new Model({
          doStream: async () => {
            const { parts, reason = 'stop' } = answers[next++] ?? { parts: [] };
            const stream = sdk.simulateReadableStream({
              chunks: [{ type: 'stream-start', warnings: [] }, ...parts, finish(ai, reason)],
            });
            return { stream };
          },
        });
      };
      return { ai: sdk, Chat: hooks.Chat, model };
    },
  };
}

/** The majors that `/ai-sdk` is for. */
export const aiSdks: AiSdk[] = [major(5, 2, 'index.mjs'), major(6, 3, 'index.mjs'), major(7, 4, 'index.js')];

/** How a model of that major says that its answer is whole. */
function finish(ai: number, reason: string): object {
  if (ai === 5) {
    const usage = { inputTokens: 1, outputTokens: 2, totalTokens: 3 };
    return { type: 'finish', finishReason: reason, usage };
  }
  const usage = { inputTokens: { total: 1 }, outputTokens: { total: 2 } };
  return { type: 'finish', finishReason: { unified: reason, raw: reason }, usage };
}
