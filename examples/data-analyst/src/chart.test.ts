import { expect, test } from 'vitest';
import { barChart } from './chart.js';

test('a chart has a bar for each value, also below zero', () => {
  const svg = barChart('t', [
    { label: 'a', value: 2 },
    { label: 'b', value: -2 },
  ]);
  const heights = [...svg.matchAll(/<rect x.*? height="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(heights).toEqual([68, 68]);
});

test('a title cannot write markup', () => {
  expect(barChart('<script>&"', [])).not.toContain('<script>');
});
