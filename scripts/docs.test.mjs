import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './run.mjs';

const read = (path) => readFile(join(root, path), 'utf8');
const docs = await readdir(join(root, 'docs'), { recursive: true });
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
];

test('the index of decisions has every decision, by number and title, and names the numbers that were never used', async () => {
  const files = docs
    .filter((name) => /^adr[/\\]\d{4}-/.test(name))
    .map((name) => basename(name))
    .sort();
  const index = await read('docs/adr/README.md');
  const rows = Array.from(
    index.matchAll(/^\| (\d+) \| \[(.+)\]\((.+)\) \| \w/gm),
    ([, number, title, file]) => ({ number, title, file }),
  );
  const decisions = files.map(async (file) => {
    const [, number, title] = /^# (\d+)\. (.+)/.exec(await read(`docs/adr/${file}`)) ?? [];
    expect(Number(file.slice(0, 4)), file).toBe(Number(number));
    return { number, title, file };
  });
  expect(rows).toEqual(await Promise.all(decisions));
  const numbers = rows.map(({ number }) => Number(number));
  const unused = Array.from({ length: Math.max(...numbers) }, (_, at) => at + 1).filter(
    (number) => !numbers.includes(number),
  );
  expect(index).toContain(`Never used are the numbers ${unused.join(', ')}.`);
});

test('a comment that cites the wire protocol names a section that it has', async () => {
  const headings = Array.from(
    (await read('docs/wire-protocol.md')).matchAll(/^##+ (.+)$/gm),
    ([, heading]) => heading,
  );
  const sources = (await readdir(join(root, 'packages'), { recursive: true })).filter((name) =>
    /^[\w-]+[/\\]src[/\\].*\.ts$/.test(name),
  );
  const cited = [];
  for (const file of sources) {
    for (const [, section, second] of (await read(`packages/${file}`)).matchAll(
      /docs\/wire-protocol\.md, "([^"]+)"(?: and "([^"]+)")?/g,
    )) {
      cited.push(...[section, second].filter(Boolean).map((name) => ({ file, name })));
    }
  }
  expect(cited.length).toBeGreaterThan(30);
  expect(cited.filter(({ name }) => !headings.includes(name))).toEqual([]);
});

test.each(pages)('what %s links to in this repository exists', async (page) => {
  const links = Array.from((await read(page)).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g), ([, link]) => link);
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

test.each(['agent-runtime', 'agent-client', 'sandbox-host'])(
  'the README of %s has links that lead somewhere from the registry, too',
  async (name) => {
    const links = Array.from(
      (await read(`packages/${name}/README.md`)).matchAll(/\]\((.+?)\)/g),
      ([, link]) => link,
    );
    expect(links.filter((link) => !link.startsWith('https://'))).toEqual([]);
    const { homepage } = JSON.parse(await read(`packages/${name}/package.json`));
    const [repository] = homepage.split('/tree/');
    const here = links.filter((link) => link.startsWith(`${repository}/`));
    const paths = here.map((link) => link.replace(/^.*\/(?:blob|tree)\/main\//, ''));
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  },
);
