/** Reads JSON; a text that is none stands for itself. */
export function parseOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Reads what a stream ends with and did not finish.
 *
 * @returns undefined when it may be a part only: broken JSON, or a number, which more digits could have followed.
 */
export function parseLast(text: string, terminated: boolean): { value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return terminated || typeof value !== 'number' ? { value } : undefined;
  } catch {
    return undefined;
  }
}
