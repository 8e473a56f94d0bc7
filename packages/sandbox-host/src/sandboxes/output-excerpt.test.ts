import { expect, test } from 'vitest';
import { OutputExcerpt } from './output-excerpt.js';

test('holds the first lines of stderr and the last of all, each once and in order', () => {
  const excerpt = new OutputExcerpt();
  for (let i = 0; i < 100; i++) excerpt.add(`out ${i}`, 'stdout');
  for (const line of ['Error: no key', '', '    at one', '    at two']) excerpt.add(line, 'stderr');
  excerpt.add('end', 'stdout');
  expect(String(excerpt)).toBe('… | out 99 | Error: no key |     at one |     at two | end');
  for (let i = 0; i < 100; i++) excerpt.add(`trace ${i}`, 'stderr');
  expect(String(excerpt)).toMatch(
    /^… \| Error: no key .* at two \| … \| trace 0 .*trace 4 \| … \| trace 95 .* trace 99$/,
  );
});

test('is empty of nothing, and bounded whatever it is given', () => {
  const excerpt = new OutputExcerpt();
  expect(String(excerpt)).toBe('');
  for (let i = 0; i < 1_000; i++) excerpt.add('x'.repeat(60_000), 'stderr');
  expect(String(excerpt).length).toBeLessThan(8_000);
});
