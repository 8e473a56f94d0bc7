import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { beforeAll, expect, test } from 'vitest';
import { Dataset } from './dataset.js';
import { toSql, understand } from './question.js';

let weather: Dataset;

beforeAll(async () => {
  const path = createRequire(import.meta.url).resolve('@observablehq/sample-datasets/weather.csv');
  weather = await Dataset.load('weather.csv', await readFile(path, 'utf8'));
});

test('a data file is profiled column by column', () => {
  expect(weather.rowCount).toBe(2922);
  expect(weather.columns.map((column) => column.name)).toEqual([
    'location',
    'date',
    'precipitation',
    'temp_max',
    'temp_min',
    'wind',
    'weather',
  ]);
  expect(weather.values.get('location')?.toSorted()).toEqual(['New York', 'Seattle']);
});

test.each([
  ['What is the average maximum temperature in Seattle by month?', 12],
  ['total precipitation per year', 4],
  ['How many days per weather?', 5],
  ['lowest temp min in New York in 2014', 1],
])('"%s" is answered with %i rows', async (text, rows) => {
  expect(await weather.query(toSql(understand(text, weather)))).toHaveLength(rows);
});

test('the words that name a column do not ask for an aggregate', () => {
  const question = understand('average maximum temperature', weather);
  expect(question).toMatchObject({ aggregate: 'avg', measure: 'temp_max' });
  expect(understand('highest wind', weather)).toMatchObject({ aggregate: 'max', measure: 'wind' });
});

test('a follow-up changes what it names and keeps the rest', () => {
  const first = understand('average maximum temperature in Seattle by month', weather);
  const second = understand('And in New York?', weather, first);
  expect(second).toEqual({ ...first, filters: [{ column: 'location', value: 'New York' }] });
  expect(understand('and in 2013?', weather, second).filters).toHaveLength(2);
});

test('a question about nothing in the data says what there is', () => {
  expect(() => understand('what is love?', weather)).toThrow(/temp_max/);
});

test('a table cannot be asked for the files around it', async () => {
  await expect(weather.query("SELECT * FROM read_text('/etc/hostname')")).rejects.toThrow();
});

test('a file that is not a table is refused by its name', async () => {
  await expect(Dataset.load('photo.png', '')).rejects.toThrow(/\.csv/);
});
