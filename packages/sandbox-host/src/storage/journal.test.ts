import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { openJournal } from './journal.js';

const schema = z.object({ value: z.string() });
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

type Change = { id: string; value: string | undefined };
const changes = fc.array(
  fc.record<Change>({
    id: fc.constantFrom('a', 'b', 'c'),
    value: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
  }),
);

function applyAll(
  made: Change[],
  to: ReturnType<typeof openJournal<{ value: string }>>,
): Record<string, string>[] {
  const states: Record<string, string>[] = [{}];
  for (const { id, value } of made) {
    if (value === undefined) to.delete(id);
    else to.put(id, { value });
    const before = states.at(-1) ?? {};
    const { [id]: _, ...others } = before;
    const after = value === undefined ? others : { ...before, [id]: value };
    // A deletion of what is not there leaves no line.
    if (value !== undefined || id in before) states.push(after);
  }
  return states;
}

function contents(path: string): Record<string, string> {
  const journal = openJournal(path, 'things', schema);
  const found = Object.fromEntries(
    ['a', 'b', 'c'].flatMap((id) => {
      const record = journal.get(id);
      return record ? [[id, record.value]] : [];
    }),
  );
  journal.close();
  return found;
}

/** A journal whose first line says how many others it has. */
function withCount(bytes: Buffer, lines: number): Buffer {
  const text = bytes.toString('latin1');
  return Buffer.from(
    text.replace(/"lines":\d+ */, (count) => `"lines":${lines}`.padEnd(count.length)),
    'latin1',
  );
}

describe('a journal', () => {
  test('gives back after a restart what was put in, wherever its process was killed', () => {
    const path = join(directory, 'cut');
    fc.assert(
      fc.property(changes, fc.nat(), fc.nat({ max: 1 }), (made, cut, behind) => {
        rmSync(path, { force: true });
        const journal = openJournal(path, 'things', schema);
        const states = applyAll(made, journal);
        journal.close();
        const bytes = readFileSync(path);
        const head = bytes.indexOf('\n') + 1;
        const kept = bytes.subarray(0, head + (cut % (bytes.length - head + 1)));
        const whole = kept.toString('latin1').split('\n').length - 2;
        // It was killed before it had counted the last line, or right after.
        writeFileSync(path, withCount(kept, Math.max(whole - behind, 0)));
        expect(contents(path)).toEqual(states[whole]);
        expect(contents(path)).toEqual(states[whole]);
      }),
      { numRuns: 100 },
    );
  });

  test('is damaged when whole lines are missing at its end, and is refused by its name', () => {
    const path = join(directory, 'short.jsonl');
    rmSync(path, { force: true });
    const journal = openJournal(path, 'things', schema);
    for (const id of ['a', 'b', 'c']) journal.put(id, { value: id });
    journal.close();
    const lines = readFileSync(path, 'utf8').split('\n');
    for (const kept of [1, 2, 3]) {
      const text = `${lines.slice(0, kept).join('\n')}\n`;
      writeFileSync(path, text);
      expect(() => openJournal(path, 'things', schema)).toThrow(`${path} has ${kept - 1} of its 3 lines`);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
    writeFileSync(path, lines.join('\n'));
    expect(contents(path)).toEqual({ a: 'a', b: 'b', c: 'c' });
  });

  test('counts its lines also after it was written again while it was in use', () => {
    const path = join(directory, 'counted.jsonl');
    const journal = openJournal(path, 'things', schema);
    for (let i = 0; i < 1_200; i++) journal.put('a', { value: String(i) });
    journal.close();
    const [head = '', ...rest] = readFileSync(path, 'utf8').trim().split('\n');
    expect(JSON.parse(head)).toEqual({ journal: 'things', version: 1, lines: rest.length });
    expect(rest.length).toBeLessThan(1_000);
  });

  test('of a version that did not count is read, and counts from then on', () => {
    const path = join(directory, 'old.jsonl');
    writeFileSync(path, '{"journal":"things","version":1}\n{"put":"a","record":{"value":"x"}}\n');
    expect(contents(path)).toEqual({ a: 'x' });
    expect(readFileSync(path, 'utf8')).toMatch(/^\{"journal":"things","version":1,"lines":1 +\}\n/);
  });

  test('changes nothing in memory when the disk does not take a change', () => {
    const path = join(directory, 'refused.jsonl');
    const journal = openJournal(path, 'things', schema);
    const record = { value: 'before' };
    journal.put('a', record);
    journal.close();
    const apply = (): void => {
      record.value = 'after';
    };
    expect(() => journal.change('a', { value: 'after' }, apply)).toThrow(/is closed/);
    expect(record).toEqual({ value: 'before' });
  });

  test('writes nothing once it is closed, whatever file has its descriptor by then', () => {
    const path = join(directory, 'closed.jsonl');
    const journal = openJournal(path, 'things', schema);
    journal.put('a', { value: 'kept' });
    journal.close();
    journal.close();
    // The system gives the same number again.
    const others = openJournal(join(directory, 'others.jsonl'), 'things', schema);
    expect(() => journal.put('b', { value: 'late' })).toThrow(/is closed/);
    others.put('c', { value: 'here' });
    others.close();
    expect(contents(join(directory, 'others.jsonl'))).toEqual({ c: 'here' });
    expect(contents(path)).toEqual({ a: 'kept' });
  });

  test('refuses a file that is something else, or newer, or damaged in the middle', () => {
    const path = join(directory, 'foreign');
    const refuses = (text: string, pattern: RegExp): void => {
      writeFileSync(path, text);
      expect(() => openJournal(path, 'things', schema)).toThrow(pattern);
      expect(readFileSync(path, 'utf8')).toBe(text);
    };
    refuses('hello\n', /not a journal of things/);
    refuses('{"journal":"others","version":1}\n', /not a journal of things/);
    refuses('{"journal":"things","version":2}\n', /later version/);
    refuses('{"journal":"things","version":1}\n{"pu\n{"delete":"a"}\n', /line 2/);
    refuses('{"journal":"things","version":1}\n{"put":"a","record":{}}\n', /line 2.*value/s);
  });

  test('does not grow without end while it is in use', () => {
    const path = join(directory, 'long');
    const journal = openJournal(path, 'things', schema, { flush: false });
    for (let i = 0; i < 20_000; i++) journal.put('abc'.charAt(i % 3), { value: String(i) });
    expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(1_100);
    journal.close();
    expect(contents(path)).toEqual({ a: '19998', b: '19999', c: '19997' });
  });

  test.skipIf(process.platform !== 'linux')(
    'keeps what fits when the disk is full, and goes on when it is not',
    async () => {
      const path = join(directory, 'full');
      const program = join(directory, 'journal.mjs');
      const source = fileURLToPath(new URL('journal.ts', import.meta.url));
      await build({ entryPoints: [source], outfile: program, bundle: true, format: 'esm', platform: 'node' });
      const use = `import { openJournal } from ${JSON.stringify(program)};
      const schema = { safeParse: (data) => ({ success: true, data }) };
      const journal = openJournal(${JSON.stringify(path)}, 'things', schema);
      journal.put('a', { value: 'kept' });
      let refused;
      try { journal.put('a', { value: 'x'.repeat(20_000) }); } catch (error) { refused = error.code; }
      journal.put('b', { value: 'fits' });
      console.log(refused, journal.get('a').value);`;
      // A file of at most 8 blocks of 512 bytes, which is said as it is of a full disk: by an error.
      const script = `trap '' XFSZ; ulimit -f 8; exec "$0" --input-type=module -e "$1"`;
      const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, use]);
      expect(stdout.trim()).toBe('EFBIG kept');
      expect(contents(path)).toEqual({ a: 'kept', b: 'fits' });
    },
  );
});

test('an empty file is damaged, since a journal always has its first line, and is refused by its name', () => {
  const path = join(directory, 'empty.jsonl');
  writeFileSync(path, '');
  expect(() => openJournal(path, 'things', schema)).toThrow(`${path} is empty, so it is damaged`);
  expect(readFileSync(path, 'utf8')).toBe('');
});
