import { Sandbox } from 'e2b';
import { expect, test, vi } from 'vitest';
import { verifyAudit } from '../src/index.js';
import { useHostProcesses } from './host-process.js';

const hosts = useHostProcesses();

interface PoolView {
  ready: number;
  hits: number;
}

test('a host that is killed leaves a log that holds, and its next start fills the pools again', async () => {
  const { dataDir } = hosts;
  for (let round = 0; round < 3; round++) {
    const { connection, kill } = await hosts.start({ dataDir });
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
