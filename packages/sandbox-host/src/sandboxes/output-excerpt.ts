import type { OnLine } from './follow-lines.js';

const firstKept = 8;
const lastKept = 5;
const lineLength = 500;

interface Line {
  index: number;
  text: string;
}

/**
 * The lines of a program's output that say most about why it failed: the first of stderr, since programs say what
 * went wrong before they show where (Node.js ends with a stack), and the last of all.
 */
export class OutputExcerpt {
  readonly #first: Line[] = [];
  readonly #last: Line[] = [];
  #count = 0;

  readonly add: OnLine = (text, source) => {
    if (text.trim() === '') return;
    const line = { index: this.#count++, text: text.slice(0, lineLength) };
    if (source === 'stderr' && this.#first.length < firstKept) this.#first.push(line);
    this.#last.push(line);
    if (this.#last.length > lastKept) this.#last.shift();
  };

  /** The lines in the order in which they came, an ellipsis for what was left out between them. */
  toString(): string {
    const lines = [...this.#first, ...this.#last.filter((line) => !this.#first.includes(line))];
    lines.sort((a, b) => a.index - b.index);
    return lines
      .map(({ index, text }, at) => (index === (lines[at - 1]?.index ?? -1) + 1 ? text : `… | ${text}`))
      .join(' | ');
  }
}
