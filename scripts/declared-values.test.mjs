import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { missingValues } from './declared-values.mjs';

async function packageOf(declarations, code) {
  const folder = await mkdtemp(join(tmpdir(), 'declared-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const entry = (end) => ({
    types: `./dist/index.d.${end}ts`,
    default: `./dist/index.${end}js`,
  });
  const exports = { '.': { import: entry('m'), require: entry('c') } };
  await mkdir(join(folder, 'dist'));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'x', exports }));
  for (const end of ['m', 'c']) await writeFile(join(folder, `dist/index.d.${end}ts`), declarations);
  await writeFile(join(folder, 'dist/index.mjs'), code);
  await writeFile(join(folder, 'dist/index.cjs'), 'exports.made = 1; exports.Kind = class {};');
  return folder;
}

test('a value that is declared and not there is found, in each file', async () => {
  const declarations =
    'declare class Kind {} declare const made: 1; interface Shape {} export { Kind, made, Shape };';
  const folder = await packageOf(declarations, 'export const made = 1;');
  expect(await missingValues(folder)).toEqual([
    './dist/index.d.mts declares the value Kind, which ./dist/index.mjs does not have',
  ]);
});

test('a class that is exported as a type only need not be there', async () => {
  const declarations = 'declare class Kind {} declare const made: 1; export { type Kind, made };';
  expect(await missingValues(await packageOf(declarations, 'export const made = 1;'))).toEqual([]);
});
