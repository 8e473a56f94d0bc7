import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createSandboxHost, type SandboxHost, verifyAudit } from '../src/index.js';

interface Line {
  seq: number;
  actor: string;
  action: string;
  sandbox?: string;
  outcome: string;
  request?: string;
  count?: number;
  reason?: string;
}

let host: SandboxHost;
let dataDir: string;
const connection = () => ({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'observability-'));
  host = await createSandboxHost({ dataDir });
});
afterAll(async () => {
  await host?.close();
  await rm(dataDir, { recursive: true, force: true });
});

const call = (path: string, init: RequestInit = {}) =>
  fetch(host.apiUrl + path, { ...init, headers: { 'x-api-key': host.apiKey, ...init.headers } });

async function audit(query = ''): Promise<Line[]> {
  const lines: Line[] = [];
  for (let next: string | null = '0'; next !== null; ) {
    const response = await call(`/x/audit?limit=7&nextToken=${next}${query}`);
    expect(response.status).toBe(200);
    lines.push(...((await response.json()) as Line[]));
    next = response.headers.get('x-next-token');
  }
  return lines;
}

test('every change is on record with who asked for it, and no secret is', async () => {
  const request = randomUUID();
  const created = await call('/v2/sandboxes', {
    method: 'POST',
    headers: { 'x-request-id': request },
    body: JSON.stringify({
      templateID: 'base',
      envVars: { PASSWORD: 'hunter2' },
      network: { allowPublicTraffic: false },
    }),
  });
  expect(created.headers.get('x-request-id')).toBe(request);
  const { sandboxID, envdAccessToken, trafficAccessToken } = (await created.json()) as Record<string, string>;
  expect((await call(`/sandboxes/${sandboxID}/pause`, { method: 'POST' })).status).toBe(204);
  expect((await call(`/sandboxes/${sandboxID}/pause`, { method: 'POST' })).status).toBe(409);
  expect((await call(`/sandboxes/${sandboxID}`, { method: 'DELETE' })).status).toBe(204);
  const lines = await audit(`&sandbox=${sandboxID}`);
  expect(lines.every((line) => line.sandbox === sandboxID)).toBe(true);
  const asked = lines.filter(({ actor }) => actor.startsWith('key:'));
  expect(asked.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    'POST /v2/sandboxes 201',
    'POST /sandboxes/{sandboxID}/pause 204',
    'POST /sandboxes/{sandboxID}/pause 409',
    'DELETE /sandboxes/{sandboxID} 204',
  ]);
  expect(asked[0]?.request).toBe(request);
  const steps = lines.filter(({ actor }) => actor === 'host').map(({ outcome }) => outcome);
  expect(steps).toEqual(['running', 'pausing', 'paused', 'killing', 'gone']);
  const text = await readFile(join(dataDir, 'audit.jsonl'), 'utf8');
  for (const secret of [host.apiKey, 'hunter2', envdAccessToken, trafficAccessToken]) {
    expect(secret).toBeTruthy();
    expect(text).not.toContain(secret);
  }
});

test("a timeout is the host's own deed", async () => {
  const sandbox = await Sandbox.create({ ...connection(), timeoutMs: 1_000 });
  await vi.waitFor(
    async () =>
      expect(await audit(`&sandbox=${sandbox.sandboxId}`)).toContainEqual(
        expect.objectContaining({ actor: 'host', outcome: 'gone', reason: 'timeout' }),
      ),
    { timeout: 20_000 },
  );
});

test('requests for ports are counted by outcome, and strangers cannot fill the log', async () => {
  const sandbox = await Sandbox.create({ ...connection() });
  await sandbox.commands.run(`node -e "require('http').createServer((q,s)=>s.end('hi')).listen(8080)"`, {
    background: true,
    timeoutMs: 0,
  });
  const ask = (id: string) =>
    fetch(host.sandboxUrl, { headers: { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '8080' } });
  await vi.waitFor(async () => expect((await ask(sandbox.sandboxId)).status).toBe(200), { timeout: 20_000 });
  const before = (await audit()).length;
  for (let i = 0; i < 100; i++) {
    await (await ask(sandbox.sandboxId)).text();
    await (await ask(`nobody${i}`)).text();
    await (await call('/sandboxes/no-such', { headers: { 'x-api-key': `wrong${i}` } })).text();
  }
  const lines = await audit();
  expect(lines.length - before).toBeLessThan(100);
  expect(lines).toContainEqual(
    expect.objectContaining({ action: 'gateway.port', sandbox: sandbox.sandboxId, outcome: 'admitted' }),
  );
  expect(lines).toContainEqual(
    expect.objectContaining({ action: 'gateway.port', outcome: '502', actor: 'anonymous' }),
  );
  expect(lines).toContainEqual(
    expect.objectContaining({ action: 'GET /sandboxes/{sandboxID}', outcome: '401', actor: 'anonymous' }),
  );
  expect(JSON.stringify(lines)).not.toMatch(/nobody\d|wrong\d/);
  await sandbox.kill();
});

test('the log can be checked while the host runs', async () => {
  const verdict = await (await call('/x/audit/verify')).json();
  expect(verdict).toMatchObject({ valid: true, problems: [] });
  expect(await verifyAudit(dataDir)).toMatchObject({ valid: true });
});

test('metrics need the key, unless the host opens them', async () => {
  expect((await fetch(`${host.apiUrl}/metrics`)).status).toBe(401);
  await using open = await createSandboxHost({ openMetrics: true });
  expect((await fetch(`${open.apiUrl}/metrics`)).status).toBe(200);
  expect((await fetch(`${open.apiUrl}/v2/sandboxes`)).status).toBe(401);
});

test('metrics say what happened', async () => {
  const sandbox = await Sandbox.create(connection());
  await call('/x/pools/base', { method: 'PUT', body: '{"min":1}' });
  await fetch(host.sandboxUrl, { headers: { 'e2b-sandbox-id': 'nobody', 'e2b-sandbox-port': '1' } });
  const text = await (await call('/metrics')).text();
  const value = (series: string) => {
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  };
  expect(value('sandbox_host_sandboxes{state="running",template="base"}')).toBe(1);
  expect(value('sandbox_host_create_phase_seconds_count{phase="boot"}')).toBeGreaterThan(0);
  expect(value('sandbox_host_refusals_total{target="port",status="502"}')).toBeGreaterThan(0);
  expect(value('sandbox_host_refusals_total{target="api",status="401"}')).toBeGreaterThan(0);
  expect(value('sandbox_host_transitions_total{state="gone",cause="timeout"}')).toBe(1);
  expect(value('sandbox_host_gateway_requests_total{target="port"}')).toBeGreaterThan(0);
  expect(value('sandbox_host_gateway_first_byte_seconds_count')).toBeGreaterThan(0);
  expect(value('sandbox_host_pool_sandboxes{template="base",state="target"}')).toBe(1);
  expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e7);
  await call('/x/pools/base', { method: 'PUT', body: '{"min":0}' });
  await sandbox.kill();
});

test('metrics tell how long requests waited for a sandbox to wake up', async () => {
  const created = await call('/v2/sandboxes', {
    method: 'POST',
    body: JSON.stringify({ templateID: 'base', autoResume: { enabled: true } }),
  });
  const { sandboxID } = (await created.json()) as { sandboxID: string };
  expect((await call(`/sandboxes/${sandboxID}/pause`, { method: 'POST' })).status).toBe(204);
  // Nothing listens there, but it has to wake up for that to be known.
  await fetch(host.sandboxUrl, { headers: { 'e2b-sandbox-id': sandboxID, 'e2b-sandbox-port': '8080' } });
  const text = await (await call('/metrics')).text();
  expect(text).toMatch(/^sandbox_host_gateway_hold_seconds_count [1-9]/m);
  expect(text).toMatch(/^sandbox_host_gateway_held_requests 0$/m);
  expect(await audit(`&sandbox=${sandboxID}`)).toContainEqual(
    expect.objectContaining({ actor: 'host', outcome: 'running', reason: 'request' }),
  );
  await call(`/sandboxes/${sandboxID}`, { method: 'DELETE' });
});

test('dashboards ask for metrics that there are', async () => {
  const text = await (await call('/metrics')).text();
  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]),
  );
  const folder = fileURLToPath(new URL('../../../docs/grafana/', import.meta.url));
  const files = await readdir(folder);
  expect(files).toContain('sandbox-host.json');
  for (const file of files) {
    const dashboard = JSON.parse(await readFile(join(folder, file), 'utf8'));
    const ids = new Set(dashboard.panels.map((panel: { id: number }) => panel.id));
    expect(ids.size).toBe(dashboard.panels.length);
    const queries: string[] = dashboard.panels.flatMap((panel: { targets?: { expr: string }[] }) =>
      (panel.targets ?? []).map(({ expr }) => expr),
    );
    expect(queries.length).toBeGreaterThan(8);
    const asked = queries.flatMap((query) => query.match(/\b(?:sandbox_host|process)_\w+/g) ?? []);
    expect(asked.length).toBeGreaterThanOrEqual(queries.length);
    for (const name of asked) {
      const base = name.replace(/_(bucket|sum|count)$/, '');
      expect(types.has(name) || types.get(base) === 'histogram', name).toBe(true);
    }
  }
});
