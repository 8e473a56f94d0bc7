import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import * as z from 'zod';
import { barChart } from './chart.js';
import { type ColumnProfile, Dataset, type Row } from './dataset.js';
import { type Question, toSql, understand } from './question.js';

/** What the agent streams, one at a time, as it finds it out. */
export type Finding =
  | { type: 'dataset'; name: string; rows: number; columns: number }
  | { type: 'column'; column: ColumnProfile }
  | { type: 'sql'; sql: string }
  | { type: 'rows'; rows: Row[] }
  | { type: 'chart'; svg: string }
  | { type: 'answer'; text: string };

const input = z.object({
  /** A question about the data, in plain words. */
  prompt: z.string().min(1),
  /** A data file; needed once, for the agent remembers it. */
  data: z.object({ name: z.string(), content: z.string() }).optional(),
});

// A sandbox serves one conversation, so what it remembers is the module's own.
let dataset: Dataset | undefined;
let lastQuestion: Question | undefined;

const app = new AgentRuntimeApp();

app.entrypoint({ input }, async function* (request): AsyncGenerator<Finding> {
  if (request.data) {
    dataset = await Dataset.load(request.data.name, request.data.content);
    lastQuestion = undefined;
    yield { type: 'dataset', name: dataset.name, rows: dataset.rowCount, columns: dataset.columns.length };
    for (const column of dataset.columns) yield { type: 'column', column };
  }
  if (dataset === undefined) {
    throw new TypeError('No data yet: send a file as data.name and data.content with the first question.');
  }

  const question = understand(request.prompt, dataset, lastQuestion);
  lastQuestion = question;
  const sql = toSql(question);
  yield { type: 'sql', sql };
  const rows = await dataset.query(sql);
  yield { type: 'rows', rows };
  const bars = rows.map((row) => ({ label: String(row.label ?? ''), value: Number(row.value) }));
  if (question.group) yield { type: 'chart', svg: barChart(request.prompt, bars) };
  yield { type: 'answer', text: inWords(question, bars) };
});

function inWords(question: Question, bars: { label: string; value: number }[]): string {
  const subject = question.measure ? `${question.aggregate} ${question.measure}` : 'number of rows';
  const where = question.filters.map((filter) => filter.value).join(', ');
  const what = `The ${subject}${where ? ` (${where})` : ''}`;
  const [first] = bars;
  if (first === undefined) return `${what}: no rows match.`;
  if (!question.group) return `${what} is ${first.value}.`;
  const highest = bars.reduce((best, bar) => (bar.value > best.value ? bar : best), first);
  const lowest = bars.reduce((best, bar) => (bar.value < best.value ? bar : best), first);
  const group = question.group.by ?? question.group.column;
  return `${what} is highest for ${group} ${highest.label} (${highest.value}) and lowest for ${group} ${lowest.label} (${lowest.value}).`;
}

await app.run();
