import type { UIMessageChunk } from 'ai';
import { isChunk, isTyped, type Typed } from './chunk-schema.js';
import { fromFullStream, isSilentPart } from './from-full-stream.js';

/** How an agent's values become one message. */
export interface MessageOptions {
  /** Apart from every id that an agent may give its own parts. */
  idPrefix: string;
  messageId: string | undefined;
  /** What a browser hears of an error that the agent streams. */
  onError: (error: unknown) => string;
}

/**
 * Makes one message of an agent's values, whichever they are, that the AI SDK reads without an error of its own: it has
 * one start and one finish, and refers to no part that it has not begun.
 */
export class MessageChunks {
  readonly #options: MessageOptions;
  readonly #chunks: UIMessageChunk[] = [];
  /** Texts and reasonings that the agent has begun itself, by kind and id. */
  readonly #open = new Set<string>();
  readonly #inputs = new Set<string>();
  /** The text that plain strings go into. */
  #text: string | undefined;
  #texts = 0;
  #started = false;
  #inStep = false;
  #aborted = false;
  #finish: Typed | undefined;

  constructor(options: MessageOptions) {
    this.#options = options;
  }

  /** Takes one value, and gives the chunks that it adds. */
  add(value: unknown): UIMessageChunk[] {
    if (typeof value === 'string') this.#addText(value);
    else if (!isTyped(value)) this.#addData(value);
    else if (isChunk(value)) this.#addChunk(value);
    else if (!isSilentPart(value)) {
      const chunk = fromFullStream(value, this.#options.onError);
      if (chunk && isChunk(chunk)) this.#addChunk(chunk);
      else this.#addData(value);
    }
    return this.#chunks.splice(0);
  }

  /** Ends the message. */
  end(): UIMessageChunk[] {
    this.#start();
    this.#endText();
    for (const key of this.#open) this.#endPart(key);
    if (this.#inStep) this.#push({ type: 'finish-step' });
    if (!this.#aborted) this.#push({ ...this.#finish, type: 'finish' });
    return this.#chunks.splice(0);
  }

  /** Says that the message is not whole: nothing is finished. */
  fail(errorText: string): UIMessageChunk[] {
    this.#start();
    this.#push({ type: 'error', errorText });
    return this.#chunks.splice(0);
  }

  #addText(delta: string): void {
    this.#ownStep();
    if (this.#text === undefined) {
      this.#texts += 1;
      this.#text = `${this.#options.idPrefix}-text-${this.#texts}`;
      this.#push({ type: 'text-start', id: this.#text });
    }
    this.#push({ type: 'text-delta', id: this.#text, delta });
  }

  #addData(data: unknown): void {
    this.#ownStep();
    this.#endText();
    this.#push({ type: 'data-agent', data: data ?? null });
  }

  #addChunk(chunk: Typed): void {
    this.#endText();
    switch (chunk.type) {
      case 'start':
        this.#addStart(chunk);
        return;
      case 'finish':
        this.#finish = { ...this.#finish, ...finishOf(chunk), type: 'finish' };
        return;
      case 'start-step':
        this.#start();
        this.#endStep();
        this.#inStep = true;
        this.#push({ type: 'start-step' });
        return;
      case 'finish-step':
        this.#endStep();
        return;
    }
    this.#start();
    if (chunk.type === 'abort') this.#aborted = true;
    if (!this.#follows(chunk)) this.#addData(chunk);
    else this.#push(chunk);
  }

  /** A second start would begin a second message. */
  #addStart({ messageId, messageMetadata }: Typed): void {
    if (!this.#started) this.#start(messageId, messageMetadata);
    else if (messageMetadata !== undefined) this.#push({ type: 'message-metadata', messageMetadata });
  }

  #start(messageId?: unknown, messageMetadata?: unknown): void {
    if (this.#started) return;
    this.#started = true;
    const id = this.#options.messageId ?? messageId;
    this.#push({
      type: 'start',
      ...(id !== undefined && { messageId: id }),
      ...(messageMetadata !== undefined && { messageMetadata }),
    });
  }

  /** What is no chunk of the SDK's stands in a step that we open, unless the agent has. */
  #ownStep(): void {
    this.#start();
    if (this.#inStep) return;
    this.#inStep = true;
    this.#push({ type: 'start-step' });
  }

  #endStep(): void {
    if (!this.#inStep) return;
    this.#inStep = false;
    this.#push({ type: 'finish-step' });
  }

  #endText(): void {
    if (this.#text !== undefined) this.#push({ type: 'text-end', id: this.#text });
    this.#text = undefined;
  }

  #endPart(key: string): void {
    const [kind = '', id] = key.split(/-(.*)/s);
    this.#open.delete(key);
    this.#push({ type: `${kind}-end`, id });
  }

  /** Whether what a chunk refers to was begun; a text that was not is begun here. */
  #follows({ type, id, toolCallId }: Typed): boolean {
    const [, kind = '', step] = /^(text|reasoning)-(start|delta|end)$/.exec(type) ?? [];
    const key = `${kind}-${id}`;
    if (step === 'start') this.#open.add(key);
    else if (step === 'end') return this.#open.delete(key);
    else if (step === 'delta' && !this.#open.has(key)) {
      this.#open.add(key);
      this.#push({ type: `${kind}-start`, id });
    }
    if (type === 'tool-input-start') this.#inputs.add(String(toolCallId));
    return type !== 'tool-input-delta' || this.#inputs.has(String(toolCallId));
  }

  #push(chunk: Typed): void {
    this.#chunks.push(chunk as unknown as UIMessageChunk);
  }
}

/** Reasons that every major of the SDK knows. */
const finishReasons = new Set(['stop', 'length', 'content-filter', 'tool-calls', 'error', 'other']);

/** A finish without what a `fullStream` says of the model in it. */
function finishOf({ finishReason, messageMetadata }: Typed): object {
  return {
    ...(finishReason !== undefined && {
      finishReason: finishReasons.has(String(finishReason)) ? finishReason : 'other',
    }),
    ...(messageMetadata !== undefined && { messageMetadata }),
  };
}
