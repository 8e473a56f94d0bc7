import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import * as z from 'zod';
import { type Bar, barChart } from './chart.js';
import { type ColumnProfile, Dataset, type Row } from './dataset.js';
import { groupOf, type Question, subjectOf, toSql, understand } from './question.js';

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
  const group = groupOf(question);
  if (group) yield { type: 'chart', svg: barChart(`${subjectOf(question)} by ${group}`, bars) };
  yield { type: 'answer', text: answer(`The ${subjectOf(question)}`, group, bars) };
});

function answer(subject: string, group: string | undefined, bars: readonly Bar[]): string {
  const [first] = bars;
  if (first === undefined) return `${subject}: no rows match.`;
  if (group === undefined) return `${subject} is ${first.value}.`;
  const highest = bars.reduce((best, bar) => (bar.value > best.value ? bar : best), first);
  const lowest = bars.reduce((best, bar) => (bar.value < best.value ? bar : best), first);
  const place = (bar: Bar): string => `for ${group} ${bar.label} (${bar.value})`;
  return `${subject} is highest ${place(highest)} and lowest ${place(lowest)}.`;
}

app.run();
