import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuditLog } from './audit-log.js';
import { verifyAudit } from './verify-audit.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sandpiper-audit-'));
});
afterEach(() => rm(directory, { recursive: true }));

const file = (name = 'audit.jsonl'): string => join(directory, name);
const entry = (action: string) => ({ actor: 'key:1', action, outcome: '201', reason: 'odd: \u2028 \r\n' });
const all = { after: 0, limit: 1_000, matches: () => true };

async function write(count: number, limits = {}): Promise<void> {
  const log = await AuditLog.open(directory, console, limits);
  for (let i = 0; i < count; i++) log.append(entry(`act ${i}`));
  log.close();
}

/** Changes the lines of the log as somebody might who should not. */
async function change(edit: (lines: string[]) => string[]): Promise<void> {
  const lines = (await readFile(file(), 'utf8')).split('\n').slice(0, -1);
  await writeFile(
    file(),
    edit(lines)
      .map((line) => `${line}\n`)
      .join(''),
  );
}

test('goes on where it was left, and holds', async () => {
  await write(3);
  await write(2);
  const log = await AuditLog.open(directory, console);
  const { lines, next } = await log.read(all);
  log.close();
  expect(lines.map(({ seq, action }) => [seq, action])).toEqual([
    [1, 'act 0'],
    [2, 'act 1'],
    [3, 'act 2'],
    [4, 'act 0'],
    [5, 'act 1'],
  ]);
  expect(next).toBeUndefined();
  expect(await verifyAudit(directory)).toMatchObject({ valid: true, lines: 5, seq: 5 });
});

test.each<[string, (lines: string[]) => string[], RegExp]>([
  [
    'an edited line',
    (lines) => lines.map((line, i) => (i === 2 ? line.replace('act 2', 'act X') : line)),
    /changed/,
  ],
  ['a removed line', (lines) => lines.toSpliced(2, 1), /removed/],
  ['lines that changed places', ([a = '', b = '', c = '', ...rest]) => [a, c, b, ...rest], /moved/],
  ['an added line', (lines) => lines.toSpliced(2, 0, lines[1] ?? ''), /added/],
  ['a line that is none', (lines) => lines.toSpliced(2, 0, 'nothing'), /not a line/],
  ['the first lines gone', (lines) => lines.slice(2), /removed/],
  ['the last lines gone', (lines) => lines.slice(0, -2), /ended with line 6; now it ends with line 4/],
  ['an emptied log', () => [], /ended with line 6; now it ends with line 0/],
  [
    'half of the last line gone',
    (lines) => lines.with(-1, (lines.at(-1) ?? '').slice(0, 40)),
    /ended with line 6/,
  ],
])('finds %s', async (_, edit, problem) => {
  await write(6);
  await change(edit);
  const verdict = await verifyAudit(directory);
  expect(verdict.valid).toBe(false);
  expect(verdict.problems.map((one) => one.problem).join('\n')).toMatch(problem);
});

test('finds whatever one character is changed to', async () => {
  await write(4);
  const text = await readFile(file(), 'utf8');
  await fc.assert(
    fc.asyncProperty(
      fc.nat(text.length - 1),
      fc.string({ minLength: 1, maxLength: 1 }),
      async (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        fc.pre(changed !== text);
        await writeFile(file(), changed);
        expect((await verifyAudit(directory)).valid).toBe(false);
      },
    ),
    { numRuns: 200, examples: [[text.length - 1, '\r']] },
  );
});

test('takes away the line a killed host was writing, says so, and holds', async () => {
  await write(3);
  const text = await readFile(file(), 'utf8');
  await writeFile(file(), `${text}{"seq":4,"time":"20`);
  expect(await verifyAudit(directory)).toMatchObject({ valid: true, lines: 3 });
  await write(1);
  const log = await AuditLog.open(directory, console);
  const { lines } = await log.read(all);
  log.close();
  expect(lines[3]).toMatchObject({ seq: 4, action: 'audit.open', outcome: 'repaired' });
  expect(lines[3]?.reason).toMatch(/19 bytes/);
  expect(lines[4]).toMatchObject({ seq: 5, action: 'act 0' });
  expect((await verifyAudit(directory)).valid).toBe(true);
});

test('lets a gap be seen for good that it found at its end', async () => {
  await write(5);
  await change((lines) => lines.slice(0, 3));
  await write(2);
  const verdict = await verifyAudit(directory);
  expect(verdict.valid).toBe(false);
  expect(verdict.problems[0]?.problem).toMatch(/Line 6 follows line 3/);
  expect(await readFile(file(), 'utf8')).toMatch(/"outcome":"damaged"/);
});

test('puts full files aside, keeps a number of them, and holds across them', async () => {
  await write(60, { fileBytes: 2_000, files: 2 });
  await write(60, { fileBytes: 2_000, files: 2 });
  const names = (await readdir(directory)).sort();
  expect(names).toHaveLength(4);
  const verdict = await verifyAudit(directory);
  expect(verdict).toMatchObject({ valid: true, seq: 120 });
  const log = await AuditLog.open(directory, console);
  const { lines } = await log.read(all);
  log.close();
  expect(lines).toHaveLength(verdict.lines);
  expect(lines.at(-1)).toMatchObject({ seq: 120, action: 'act 59' });
  await rm(file(names[1]));
  expect((await verifyAudit(directory)).valid).toBe(false);
});

test('is read by pages', async () => {
  await write(25, { fileBytes: 2_000 });
  const log = await AuditLog.open(directory, console);
  const seen: number[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const { lines, next } = await log.read({ after, limit: 4, matches: ({ seq }) => seq % 2 === 0 });
    expect(lines.length).toBeLessThanOrEqual(4);
    seen.push(...lines.map(({ seq }) => seq));
    after = next;
  }
  log.close();
  expect(seen).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]);
});

describeIsolated('on a disk that is full', () => {
  const fill = async (): Promise<void> => {
    const filler = await open(file('filler'), 'w');
    await expect(filler.writeFile(Buffer.alloc(1 << 20))).rejects.toThrow('ENOSPC');
    await filler.close();
  };
  let disk = '';
  beforeEach(() => {
    disk = directory;
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
  });
  afterEach(() => {
    execFileSync('umount', [disk]);
  });

  test('decisions wait, in their order and with their times, and the log holds', async () => {
    const log = await AuditLog.open(directory, console);
    log.append(entry('before'));
    await fill();
    // The last block of the log has room for a few, and for a part of one.
    for (let i = 0; i < 40; i++) log.append(entry(`act ${i}`));
    expect(await verifyAudit(directory)).toMatchObject({ valid: true });
    const late = new Date().toISOString();
    const { seq } = log.end;
    expect(seq).toBeLessThan(41);
    await rm(file('filler'));
    await expect.poll(() => log.end.seq, { timeout: 5_000 }).toBe(41);
    const { lines } = await log.read(all);
    log.close();
    expect(lines.map(({ action }) => action)).toEqual([
      'before',
      ...Array.from({ length: 40 }, (_, i) => `act ${i}`),
    ]);
    expect(lines.every(({ time }) => time <= late)).toBe(true);
    expect(await verifyAudit(directory)).toMatchObject({ valid: true, lines: 41 });
  });

  test('what there is no place for is counted, and said', async () => {
    const log = await AuditLog.open(directory, console, { waiting: 5 });
    await fill();
    for (let i = 0; i < 60; i++) log.append(entry(`act ${i}`));
    const { seq } = log.end;
    await rm(file('filler'));
    log.close();
    const again = await AuditLog.open(directory, console);
    const { lines } = await again.read(all);
    again.close();
    expect(lines).toHaveLength(seq + 6);
    expect(lines.at(-1)).toMatchObject({ action: 'audit.write', outcome: 'damaged' });
    expect(lines.at(-1)?.reason).toContain(` ${60 - seq - 5} decisions`);
    expect(await verifyAudit(directory)).toMatchObject({ valid: true });
  });
});
