import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox } from 'e2b';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSandboxHost } from '../src/index.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'logger-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** A failure that the host has words for, and one that it has not. */
async function failTwice(connection: { apiUrl: string; sandboxUrl: string; apiKey: string }): Promise<void> {
  const sandbox = await Sandbox.create('base', connection);
  for (const name of await readdir(dataDir)) await rm(join(dataDir, name), { recursive: true, force: true });
  await expect(Sandbox.create('base', connection)).rejects.toThrow(/emptied/);
  await expect(sandbox.createSnapshot()).rejects.toThrow(/its log says more/);
}

test("a pino logger gets the host's lines, errors as errors, and the console none", async () => {
  const written = [
    ...(['log', 'info', 'warn', 'error'] as const).map((level) => vi.spyOn(console, level)),
    vi.spyOn(process, 'emitWarning'),
  ];
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const host = await createSandboxHost({ dataDir, isolation: 'none', logger });
  const connection = { apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey };
  expect(lines).toEqual([
    expect.objectContaining({ level: 40, msg: expect.stringMatching(/isolation is absent/) }),
  ]);
  await failTwice(connection);
  await host.close();
  const errors = lines.filter(({ level }) => level === 50);
  expect(errors[0]).toMatchObject({
    msg: `The data directory ${dataDir} has been emptied while its host runs.`,
  });
  expect(errors).toContainEqual(
    expect.objectContaining({ err: expect.objectContaining({ stack: expect.any(String) }) }),
  );
  for (const spy of written) expect(spy).not.toHaveBeenCalled();
});

test('the console gets the same lines by default, the error behind the message', async () => {
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  const host = await createSandboxHost({ dataDir, isolation: 'none' });
  await failTwice({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
  await host.close();
  expect(error.mock.calls).toContainEqual([expect.stringMatching(/:$/), expect.any(Error)]);
  expect(error.mock.calls).toContainEqual([expect.stringMatching(/has been emptied while its host runs\.$/)]);
  error.mockRestore();
});

test('what is no logger is refused', async () => {
  await expect(createSandboxHost({ dataDir, logger: { info() {} } as never })).rejects.toThrow(
    /logger: must have the methods debug, info, warn, error/,
  );
});
