import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { asPrinted, proxies } from './proxies.mjs';

const page = await readFile(new URL('../../docs/behind-a-proxy.md', import.meta.url), 'utf8');

test.each(Object.keys(proxies))(
  'docs/behind-a-proxy.md shows the configuration of %s that is tried',
  (name) => {
    expect(page).toContain(asPrinted(name));
  },
);
