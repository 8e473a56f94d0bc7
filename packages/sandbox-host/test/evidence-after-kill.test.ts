import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createSandboxHost, verifyAudit } from '../src/index.js';
import { type BuiltHost, buildHost } from './host-process.js';

let built: BuiltHost;
let dataDir: string;
beforeAll(async () => {
  built = await buildHost();
  dataDir = await mkdtemp(join(tmpdir(), 'evidence-kill-'));
}, 60_000);
afterAll(async () => {
  // What outlived the last one that was killed ends with the next that closes.
  await (await createSandboxHost({ dataDir })).close();
  await built[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

interface PoolView {
  ready: number;
  hits: number;
}

test('a host that is killed leaves a log that holds, and its next start fills the pools anew', async () => {
  for (let round = 0; round < 3; round++) {
    const { connection, kill } = await built.start({ dataDir });
    const call = async (path: string, init: RequestInit = {}): Promise<unknown> => {
      const headers = { 'x-api-key': connection.apiKey };
      return (await fetch(connection.apiUrl + path, { ...init, headers })).json();
    };
    if (round === 0) await call('/x/pools/base', { method: 'PUT', body: '{"min":2}' });
    const pool = async () => ((await call('/x/pools')) as PoolView[])[0];
    await vi.waitFor(async () => expect(await pool()).toMatchObject({ ready: 2 }), { timeout: 60_000 });
    // Those that waited when the host before was killed are gone, and nobody was given them.
    const listed = await Sandbox.list(connection).nextItems();
    for (const { sandboxId } of listed) await Sandbox.kill(sandboxId, connection);
    const sandbox = await Sandbox.create('base', { ...connection, metadata: { round: String(round) } });
    expect(await pool()).toMatchObject({ hits: 1 });
    const lines = (await call(`/x/audit?sandbox=${sandbox.sandboxId}`)) as { action: string }[];
    expect(lines.map(({ action }) => action)).toContain('sandbox.claim');
    await kill();
    expect(await verifyAudit(dataDir)).toMatchObject({ valid: true, problems: [] });
  }
}, 180_000);
