/** Remembers which invocation answers a chat. */
export interface InvocationStore {
  get(chatId: string): string | undefined | Promise<string | undefined>;
  set(chatId: string, invocationId: string): void | Promise<void>;
}

const mostChats = 10_000;

/** The invocations of the chats that were answered last. */
export class RecentInvocations implements InvocationStore {
  readonly #byChat = new Map<string, string>();

  get(chatId: string): string | undefined {
    return this.#byChat.get(chatId);
  }

  set(chatId: string, invocationId: string): void {
    this.#byChat.delete(chatId);
    this.#byChat.set(chatId, invocationId);
    if (this.#byChat.size <= mostChats) return;
    const [oldest] = this.#byChat.keys();
    if (oldest !== undefined) this.#byChat.delete(oldest);
  }
}
