import type { IncomingMessage } from 'node:http';
import { readSignature } from '../envd/signature.js';

/** How many signatures are remembered; one that is forgotten is looked up again. */
const maxKnown = 10_000;

/** A sandbox, as far as its signatures go. */
export interface Signer {
  readonly id: string;
  readonly accessToken: string | undefined;
}

/**
 * Finds the sandbox of a request that says nothing but a signature, as the SDK's URLs on one address do. A signature is a
 * hash over a sandbox's token, so the first time each sandbox has to be tried, for the price of one hash; from then on
 * it is known whose it is, however many sandboxes there are. What cannot be a signature is not looked for.
 */
export class SignedUrls {
  /** Whose a signature is that has held. */
  readonly #known = new Map<string, string>();

  constructor(
    private readonly sandboxes: { find(id: string): Signer | undefined; list(): Iterable<Signer> },
  ) {}

  /** @returns the sandbox's id. */
  find(request: IncomingMessage): string | undefined {
    if (!request.url?.startsWith('/files?')) return undefined;
    const signature = readSignature(request);
    if (!signature) return undefined;
    const { text } = signature;
    const known = this.sandboxes.find(this.#known.get(text) ?? '');
    if (known && signature.isOf(known.accessToken)) return known.id;
    this.#known.delete(text);
    for (const { id, accessToken } of this.sandboxes.list()) {
      if (!signature.isOf(accessToken)) continue;
      if (this.#known.size >= maxKnown) this.#known.delete(this.#known.keys().next().value ?? '');
      this.#known.set(text, id);
      return id;
    }
    return undefined;
  }
}
