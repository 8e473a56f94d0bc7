import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox } from 'e2b';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createSandboxHost } from '../src/index.js';

let made: string;
let dataDir: string;
const options = { isolation: 'none', tls: true, domain: 'sandboxes.test' } as const;
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'start-errors-'));
});
beforeEach(async () => {
  dataDir = await mkdtemp(join(made, 'data-'));
  await (await createSandboxHost({ ...options, dataDir })).close();
});
afterAll(() => rm(made, { recursive: true, force: true }));

/** What a host reads at its start, and cannot do without. */
const needed = [
  'sandboxes.jsonl',
  'templates.jsonl',
  'layers.jsonl',
  'volumes.jsonl',
  'pools.jsonl',
  'api-key',
  'gateway-key.pem',
  'tls.pem',
  'image-format',
];

test.each(needed)('a damaged %s is refused by its name, and by the next start too', async (name) => {
  const path = join(dataDir, name);
  const before = await readFile(path);
  const damaged = name === 'api-key' ? '\n' : '{"half": \n';
  await writeFile(path, damaged);
  const start = () => createSandboxHost({ ...options, dataDir });
  await expect(start()).rejects.toThrow(path);
  await expect(start()).rejects.toThrow(path);
  expect(await readFile(path, 'utf8')).toBe(damaged);
  await writeFile(path, before);
  await (await start()).close();
});

/** What a damage to is written into the log itself, which goes on. */
const repaired = ['audit.jsonl', 'audit.head'];

test.each(repaired)('a damaged %s is said in the audit log, and is no condition of a start', async (name) => {
  const host = await createSandboxHost({ isolation: 'none', dataDir });
  const { apiUrl, sandboxUrl, apiKey } = host;
  await (await Sandbox.create('base', { apiUrl, sandboxUrl, apiKey })).kill();
  await host.close();
  await writeFile(join(dataDir, name), '{"half": \n');
  await (await createSandboxHost({ ...options, dataDir })).close();
  expect(await readFile(join(dataDir, 'audit.jsonl'), 'utf8')).toMatch(/"audit.open".*"damaged"/);
});

test.each([...needed, ...repaired])('a folder where %s is to be is refused by its name', async (name) => {
  const path = join(dataDir, name);
  await rm(path);
  await mkdir(path);
  await expect(createSandboxHost({ ...options, dataDir })).rejects.toThrow(path);
});

test('no file of a data directory has been forgotten here', async () => {
  const files = (await readdir(dataDir, { withFileTypes: true })).filter((entry) => entry.isFile());
  const others = files.map(({ name }) => name).filter((name) => ![...needed, ...repaired].includes(name));
  expect(others.sort()).toEqual([]);
});
