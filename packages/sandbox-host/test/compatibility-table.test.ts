import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const here = (path: string): URL => new URL(path, import.meta.url);

test('each row of the compatibility table names tests that there are', () => {
  const page = readFileSync(here('../../../docs/host.md'), 'utf8');
  const [, table = ''] = /## Compatibility with E2B\n[\s\S]*?\| --- .*\n((?:\|.*\n)+)/.exec(page) ?? [];
  const rows = table.trimEnd().split('\n');
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) {
    const shownBy = row.split('|').at(-2)?.trim() ?? '';
    expect(shownBy, row).not.toBe('');
    for (const name of shownBy.split(', ')) {
      const places = [`${name}.test.ts`, `../../../${name}.test.ts`, `../../../${name}.test.mjs`];
      const shown = places.some((place) => existsSync(here(place)));
      expect(shown, row).toBe(true);
    }
  }
});
