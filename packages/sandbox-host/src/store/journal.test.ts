import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

describe('a journal', () => {
  test('gives back after a restart what was put in, wherever its process was killed', () => {
    const path = join(directory, 'cut');
    fc.assert(
      fc.property(changes, fc.nat(), (made, cut) => {
        rmSync(path, { force: true });
        const journal = openJournal(path, 'things', schema);
        const states = applyAll(made, journal);
        journal.close();
        const bytes = readFileSync(path);
        const head = bytes.indexOf('\n') + 1;
        const kept = bytes.subarray(0, head + (cut % (bytes.length - head + 1)));
        writeFileSync(path, kept);
        const whole = kept.toString('latin1').split('\n').length - 2;
        expect(contents(path)).toEqual(states[whole]);
        expect(contents(path)).toEqual(states[whole]);
      }),
      { numRuns: 100 },
    );
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
});
