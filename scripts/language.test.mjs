import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './run.mjs';

/** Words that an engineer of the field would not say, and what they would say. */
const words = [
  [/\bwhoever\b/i, 'the caller, the process that, the user who'],
  [/\banew\b/i, 'again'],
  [/\bdoors?\b/i, 'handler, server, API; in metrics `target`'],
  [/\/\*\* (So|As) (many|much|long)\b/, 'how many, the most, how long'],
  [/\b(for|after|of) so (many|long)\b/i, 'this many, this long'],
  [/\blet go by\b/, 'discarded'],
  [/\b(cannot|not) (be )?kept to\b/, 'enforced'],
  [/\bis to be had\b|\bcan be had\b(?! \w)/, 'is available'],
];
/** Where a word is quoted: what it was called before, and this list. */
const quoted = ['.changeset/target-label.md', 'scripts/language.test.mjs'];

const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => /^(packages|examples|docs|scripts|\.changeset)\/|^\w+\.md$/.test(file))
  .filter((file) => /\.(ts|tsx|mjs|md|pl|py|sh)$/.test(file) && !/\/gen\/|CHANGELOG/.test(file))
  .filter((file) => !quoted.includes(file));

test.each(words)('no text says %s', (word, instead) => {
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (word.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
  expect(found, `say: ${instead}`).toEqual([]);
});
