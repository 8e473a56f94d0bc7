import type { ServerResponse } from 'node:http';
import type { Sink } from '../http/sink.js';

/**
 * Writes a stream to a Node response. Text of one turn of the event loop leaves in one piece: each write of a chunked
 * response costs four of the socket's, which is more than all the rest of a frame.
 */
export class NodeSink implements Sink {
  onDrain: (() => void) | undefined;
  readonly #response: ServerResponse;
  #pending = '';
  #isBehind = false;

  get isBehind(): boolean {
    return this.#isBehind;
  }

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on('drain', () => this.#caughtUp());
  }

  whenRead(callback: () => void): void {
    callback();
  }

  write(piece: string | Uint8Array): boolean {
    const response = this.#response;
    if (response.destroyed) return true;
    if (typeof piece !== 'string') {
      this.#isBehind = !response.write(piece);
      return !this.#isBehind;
    }
    if (this.#pending === '') process.nextTick(this.#flush);
    this.#pending += piece;
    this.#isBehind = response.writableNeedDrain || this.#pending.length >= response.writableHighWaterMark;
    return !this.#isBehind;
  }

  end(): void {
    const text = this.#pending;
    this.#pending = '';
    if (!this.#response.destroyed) this.#response.end(text);
  }

  cut(): void {
    this.#response.destroy();
  }

  readonly #flush = (): void => {
    const text = this.#pending;
    this.#pending = '';
    if (text === '' || this.#response.destroyed) return;
    if (this.#response.write(text) && this.#isBehind) this.#caughtUp();
  };

  #caughtUp(): void {
    this.#isBehind = false;
    this.onDrain?.();
  }
}
