import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type Json } from '@duckdb/node-api';

/** What is known about one column, from one pass over the data. */
export interface ColumnProfile {
  name: string;
  type: string;
  min: string | null;
  max: string | null;
  mean: number | null;
  distinct: number;
  missingPercent: number;
}

export type Row = Record<string, Json>;

const readers: Record<string, string> = { '.csv': 'read_csv', '.tsv': 'read_csv', '.json': 'read_json' };

/** A table held in memory, and everything the agent may ask of it. */
export class Dataset {
  private constructor(
    private readonly connection: DuckDBConnection,
    readonly name: string,
    readonly rowCount: number,
    readonly columns: readonly ColumnProfile[],
    /** The values of each text column that has few enough of them to be named in a question. */
    readonly values: ReadonlyMap<string, readonly string[]>,
  ) {}

  /** Loads a data file's content: CSV, TSV or JSON, by the name's ending. */
  static async load(name: string, content: string): Promise<Dataset> {
    const reader = readers[extname(name).toLowerCase()];
    if (reader === undefined) {
      throw new TypeError(`Can't read ${name}: give a .csv, .tsv or .json file.`);
    }
    const folder = await mkdtemp(join(tmpdir(), 'data-'));
    try {
      const path = join(folder, `upload${extname(name)}`);
      await writeFile(path, content);
      const connection = await (await DuckDBInstance.create(':memory:')).connect();
      await connection.run(`CREATE TABLE data AS FROM ${reader}(${literal(path)})`);
      // From here on questions are answered from the table alone, never from the sandbox's files.
      await connection.run('SET enable_external_access = false; SET lock_configuration = true');
      return await Dataset.of(connection, name);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private static async of(connection: DuckDBConnection, name: string): Promise<Dataset> {
    const rows = await query(connection, 'SUMMARIZE data');
    const columns = rows.map((row): ColumnProfile => {
      const isNumber = /INT|DOUBLE|FLOAT|DECIMAL/.test(String(row.column_type));
      return {
        name: String(row.column_name),
        type: String(row.column_type),
        min: row.min === null ? null : String(row.min),
        max: row.max === null ? null : String(row.max),
        mean: isNumber && row.avg !== null ? Number(row.avg) : null,
        distinct: Number(row.approx_unique),
        missingPercent: Number(row.null_percentage),
      };
    });
    const values = new Map<string, string[]>();
    for (const column of columns) {
      if (column.type !== 'VARCHAR' || column.distinct > 50) continue;
      const found = await query(
        connection,
        `SELECT DISTINCT ${identifier(column.name)} AS value FROM data WHERE value IS NOT NULL`,
      );
      values.set(
        column.name,
        found.map((row) => String(row.value)),
      );
    }
    return new Dataset(connection, name, Number(rows[0]?.count ?? 0), columns, values);
  }

  query(sql: string): Promise<Row[]> {
    return query(this.connection, sql);
  }
}

/** A name as SQL writes it. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text value as SQL writes it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function query(connection: DuckDBConnection, sql: string): Promise<Row[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson();
}
