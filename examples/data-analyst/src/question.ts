import { type ColumnProfile, type Dataset, identifier, literal } from './dataset.js';

/** A question about a table, understood: what SQL needs to know to answer it. */
export interface Question {
  aggregate: Aggregate;
  /** The column that is aggregated; none when rows are counted. */
  measure?: string;
  group?: { column: string; by?: DatePart };
  filters: { column: string; by?: DatePart; value: string }[];
}

type Aggregate = 'avg' | 'sum' | 'min' | 'max' | 'count';
type DatePart = 'year' | 'month';

const aggregates: [RegExp, Aggregate][] = [
  [/\b(average|mean|typical)\b/, 'avg'],
  [/\b(total|sum)\b/, 'sum'],
  [/\b(lowest|least|minimum|smallest)\b/, 'min'],
  [/\b(highest|most|maximum|largest)\b/, 'max'],
  [/\b(how many|count|number of)\b/, 'count'],
];

/**
 * Understands a question in plain words, by the table's own column names and values. It is a small set of
 * rules, so that the example needs no account anywhere; a real agent would ask a language model here, and
 * the rest of the agent would not change.
 *
 * @param previous - The question before, which "and in New York?" is a variation of.
 * @throws TypeError when nothing in the text names a column, a value or something to count.
 */
export function understand(text: string, dataset: Dataset, previous?: Question): Question {
  const question = text.toLowerCase();
  const dates = dataset.columns.find((column) => /DATE|TIMESTAMP/.test(column.type));
  const filters = filtersIn(question, dataset, dates);
  const [subject = '', grouping] = question.split(/\b(?:by|per|for each|in each)\b/);
  const group = grouping === undefined ? undefined : groupIn(grouping, dataset, dates);
  const measure = columnIn(
    subject,
    dataset.columns.filter((column) => column.mean !== null),
  );
  const rest = measure ? without(subject, measure.name) : subject;
  const aggregate = aggregates.find(([words]) => words.test(rest))?.[1];

  const isNew = measure !== undefined || aggregate === 'count';
  if (isNew) {
    const understood: Question = { aggregate: aggregate ?? 'avg', filters };
    if (measure && understood.aggregate !== 'count') understood.measure = measure.name;
    if (group) understood.group = group;
    return understood;
  }
  if (previous && (filters.length > 0 || group || aggregate)) {
    const replaced = new Set(filters.map((filter) => filter.column));
    const kept = previous.filters.filter((filter) => !replaced.has(filter.column));
    const varied: Question = { ...previous, filters: [...kept, ...filters] };
    if (aggregate && previous.measure) varied.aggregate = aggregate;
    if (group) varied.group = group;
    return varied;
  }
  const names = dataset.columns.map((column) => column.name).join(', ');
  throw new TypeError(
    `I don't see what to work out. Name a column (${names}) or ask how many rows there are.`,
  );
}

const inWords: Record<Aggregate, string> = {
  avg: 'average',
  sum: 'total',
  min: 'lowest',
  max: 'highest',
  count: 'number',
};

/** What the question asks for, in words: `average temp_max (Seattle)`. */
export function subjectOf({ aggregate, measure, filters }: Question): string {
  const where = filters.map((filter) => filter.value).join(', ');
  return `${inWords[aggregate]} ${measure ?? 'of rows'}${where && ` (${where})`}`;
}

/** What an answer is split by, in words: `month`. */
export function groupOf({ group }: Question): string | undefined {
  return group && (group.by ?? group.column);
}

/** The question as SQL over the table `data`. */
export function toSql(question: Question): string {
  const { aggregate, measure, group } = question;
  const value = measure === undefined ? 'count(*)' : `round(${aggregate}(${identifier(measure)}), 2)`;
  const label = group && inPart(group.column, group.by);
  const where = question.filters.map(
    (filter) => `${inPart(filter.column, filter.by)} = ${filter.by ? filter.value : literal(filter.value)}`,
  );
  return [
    `SELECT ${label ? `${label} AS label, ` : ''}${value} AS value`,
    'FROM data',
    ...(where.length > 0 ? [`WHERE ${where.join(' AND ')}`] : []),
    ...(label ? ['GROUP BY label', group.by ? 'ORDER BY label' : 'ORDER BY value DESC', 'LIMIT 50'] : []),
  ].join('\n');
}

function inPart(column: string, part: DatePart | undefined): string {
  return part ? `${part}(${identifier(column)})` : identifier(column);
}

function filtersIn(question: string, dataset: Dataset, dates?: ColumnProfile): Question['filters'] {
  const filters: Question['filters'] = [];
  for (const [column, values] of dataset.values) {
    const value = values.find((candidate) =>
      new RegExp(`\\b${escapeRegExp(candidate.toLowerCase())}\\b`).test(question),
    );
    if (value !== undefined) filters.push({ column, value });
  }
  const year = /\b(?:19|20)\d\d\b/.exec(question)?.[0];
  if (year && dates) filters.push({ column: dates.name, by: 'year', value: year });
  return filters;
}

function groupIn(text: string, dataset: Dataset, dates?: ColumnProfile): Question['group'] {
  const part = /\b(year|month)\b/.exec(text)?.[1];
  if (dates && (part === 'year' || part === 'month')) return { column: dates.name, by: part };
  const column = columnIn(text, dataset.columns);
  return column && { column: column.name };
}

/** The column whose name the text says best: each part of `temp_max` must begin a word, as in "maximum temperature". */
function columnIn(text: string, columns: readonly ColumnProfile[]): ColumnProfile | undefined {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return columns
    .filter((column) => partsOf(column.name).every((part) => words.some((word) => word.startsWith(part))))
    .sort((a, b) => partsOf(b.name).length - partsOf(a.name).length)[0];
}

/** The text without the words that named a column, so that "maximum" in "maximum temperature" asks for no maximum. */
function without(text: string, column: string): string {
  const parts = partsOf(column);
  return text.replace(/[\p{L}\p{N}]+/gu, (word) => (parts.some((part) => word.startsWith(part)) ? '' : word));
}

function partsOf(name: string): string[] {
  return name.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [name];
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
