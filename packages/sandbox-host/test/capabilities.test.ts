import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { proveCapabilities } from '@sandpiper/engine-linux/probe/prove-capabilities';
import type { Capabilities, Capability } from '@sandpiper/sandbox-engine/engine';
import { useEngine } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openEngine } from '../src/host/open-engine.js';
import { createSandboxHost } from '../src/index.js';

// They wait for what a busy machine does.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let temporary: string;
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'probe-'));
  vi.stubEnv('TMPDIR', temporary);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(temporary, { recursive: true });
});

const claim: Capability = { level: 'enforced', reason: 'so it is said' };
const absent: Capability = { level: 'absent', reason: 'nobody says so' };
const claims: Capabilities = {
  isolation: claim,
  limits: claim,
  disk: claim,
  network: claim,
  freeze: absent,
  hibernate: absent,
  checkpoint: claim,
};
const neverStarts = async () => {
  throw new Error('no sandbox today');
};

describeIsolated('capabilities of a host', () => {
  const fixture = useEngine((directory) => openEngine({ logger: console, directory }));
  const plain = useEngine((directory) => openEngine({ logger: console, directory, isolation: 'none' }));

  test('hold against a sandbox that tries to escape, to exceed and to connect out', () => {
    const { isolation, limits, disk, freeze } = fixture.engine.capabilities;
    expect([isolation, limits, disk, freeze].map(({ level }) => level)).toEqual([
      'enforced',
      'enforced',
      'enforced',
      'enforced',
    ]);
  });

  test('are not claimed once a sandbox has got the better of them, also by the next host', async () => {
    const options = { described: claims, start: () => plain.start(), directory: temporary };
    const proven = await proveCapabilities(options);
    expect(proven.isolation).toMatchObject({
      level: 'absent',
      reason: expect.stringContaining('read a file of the host, see the processes of the host'),
    });
    expect(proven.limits).toMatchObject({
      level: 'absent',
      reason: expect.stringMatching(/300000000 bytes of memory/),
    });
    expect(proven.disk).toEqual({
      level: 'absent',
      reason: 'a sandbox with 16 MB kept 32 MB, or 32000 files',
    });
    expect(proven.network).toMatchObject({ level: 'absent', reason: expect.stringContaining('127.0.0.1') });
    // Nothing to disprove, and nothing to try.
    expect([proven.freeze, proven.checkpoint]).toEqual([absent, claim]);
    expect(await proveCapabilities({ ...options, start: neverStarts })).toEqual(proven);
  });

  test('are not claimed by the host whose sandbox got the better of them once, and proven again by the next', async () => {
    const described = { ...claims, limits: absent, disk: absent, network: absent };
    let started = 0;
    const start = () => (++started === 1 ? plain : fixture).start();
    const options = { described, start, directory: temporary };
    expect((await proveCapabilities(options)).isolation.level).toBe('absent');
    expect(started).toBe(2);
    expect((await proveCapabilities(options)).isolation).toEqual(claim);
    expect(started).toBe(3);
    expect((await proveCapabilities({ ...options, start: neverStarts })).isolation).toEqual(claim);
  });

  test('are proven again when others could have written what was found before', async () => {
    const options = { described: claims, start: () => plain.start(), directory: temporary };
    await proveCapabilities(options);
    const [directory = ''] = readdirSync(temporary).filter((name) => name.startsWith('sandpiper-probe-'));
    for (const name of readdirSync(join(temporary, directory))) {
      chmodSync(join(temporary, directory, name), 0o666);
    }
    expect((await proveCapabilities({ ...options, start: neverStarts })).isolation.level).toBe('advisory');
  });

  test('are at best advisory when they cannot be proven, and the host starts', async () => {
    const described = { ...claims, isolation: { ...claim, reason: 'another key' } };
    const { isolation, freeze } = await proveCapabilities({
      described,
      start: neverStarts,
      directory: temporary,
    });
    expect(isolation).toEqual({ level: 'advisory', reason: 'another key; not proven: no sandbox today' });
    expect(freeze).toEqual(absent);
  });
});

describe('a template that requires more than its host enforces', () => {
  test('is refused, with what is missing, and every sandbox says what it has', async () => {
    const warnings: string[] = [];
    process.on('warning', ({ message }) => warnings.push(message));
    await using host = await createSandboxHost({ isolation: 'none' });
    await expect
      .poll(() => warnings.join(), { timeout: 15_000 })
      .toMatch(/isolation is absent, limits is absent/);
    const call = (method: string, path: string, body?: unknown): Promise<Response> =>
      fetch(`${host.apiUrl}${path}`, {
        method,
        headers: { 'X-API-KEY': host.apiKey, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const create = (): Promise<Response> => call('POST', '/v2/sandboxes', { templateID: 'base' });
    const require = (requires: unknown): Promise<Response> =>
      call('PUT', '/x/templates/base/metadata', { requires });

    expect((await require({ isolation: 'enforced', limits: 'enforced' })).ok).toBe(true);
    const refused = await create();
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      code: 400,
      message: expect.stringMatching(/requires isolation to be enforced.*requires limits to be enforced/),
    });
    expect((await require({ isolation: 'much' })).status).toBe(400);

    expect((await require({ checkpoint: 'enforced' })).ok).toBe(true);
    const { sandboxID } = (await (await create()).json()) as { sandboxID: string };
    const info = await (await call('GET', `/sandboxes/${sandboxID}`)).json();
    expect(info).toMatchObject({ capabilities: host.capabilities });
    expect(await (await call('GET', '/x/capabilities')).json()).toEqual(host.capabilities);
  });
});
