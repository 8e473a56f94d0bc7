const maxLength = 200;

/**
 * Goes on with a sentence about a response by what its body says: its first words, or that it was a page of markup, of
 * which nothing is quoted: it is some proxy's, and for people who look at it in a browser.
 */
export function describeBody(text: string): string {
  const words = text.replaceAll(/\s+/g, ' ').trim();
  if (words === '' || words === '{}') return ' and gave no reason';
  return words.startsWith('<') ? ' with an HTML page, as a proxy sends' : `: ${words.slice(0, maxLength)}`;
}
