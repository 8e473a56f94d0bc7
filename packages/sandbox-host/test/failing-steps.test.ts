import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlGroup } from '@sandpiper/engine-linux/control-groups/control-group';
import { networksOf } from '@sandpiper/engine-linux/testing/traces';
import { canIsolate } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { AuditLog } from '../src/audit/audit-log.js';
import { createSandboxHost, type Isolation, type SandboxHost } from '../src/index.js';
import { Pools } from '../src/pools/pools.js';
import { SandboxManager } from '../src/sandboxes/sandbox-manager.js';
import { VolumeCatalog } from '../src/volumes/volume-catalog.js';
import { useHostProcesses } from './host-process.js';
import { tracesOf } from './traces-of-host.js';

const { faults, withFaults, withFaultyMethod } = await vi.hoisted(async () => {
  const faults: import('./faults-in-steps.js').StepFaults = { fails: () => false, seen: new Set() };
  return { faults, ...(await import('./faults-in-steps.js')) };
});
vi.mock('../src/storage/data-directory.js', (real) => withFaults(faults, 'data-directory', real));
vi.mock('../src/storage/read-or-create.js', (real) => withFaults(faults, 'read-or-create', real));
vi.mock('@sandpiper/sandbox-engine/write-file-atomically', (real) =>
  withFaults(faults, 'write-file-atomically', real),
);
vi.mock('../src/host/observability.js', (real) => withFaults(faults, 'observability', real));
vi.mock('@sandpiper/sandbox-engine/local/start-child', (real) => withFaults(faults, 'start-child', real));
vi.mock('../src/server/listen.js', (real) => withFaults(faults, 'listen', real));
vi.mock('../src/gateway/gateway-tokens.js', (real) => withFaults(faults, 'gateway-tokens', real));
vi.mock('@sandpiper/engine-linux/root-fs', (real) => withFaults(faults, 'root-fs', real));
vi.mock('@sandpiper/engine-linux/swap-file', (real) => withFaults(faults, 'swap-file', real));
vi.mock('@sandpiper/sandbox-engine/local/tagged-processes', (real) =>
  withFaults(faults, 'tagged-processes', real),
);
vi.mock('@sandpiper/sandbox-engine/local/files/remove-tree', (real) =>
  withFaults(faults, 'remove-tree', real),
);
vi.mock('@sandpiper/engine-linux/network/tools', (real) => withFaults(faults, 'network', real));
vi.mock('@sandpiper/sandbox-engine/local/ports/port-scripts', (real) =>
  withFaults(faults, 'port-scripts', real),
);
vi.mock('@sandpiper/engine-linux/probe/prove-capabilities', (real) => withFaults(faults, 'probe', real));
vi.mock('@sandpiper/engine-linux/control-groups/control-groups', (real) =>
  withFaults(faults, 'control-groups', real),
);
vi.mock('@sandpiper/sandbox-engine/local/volumes/volume-directories', (real) =>
  withFaults(faults, 'volume-directories', real),
);
vi.mock(
  '../src/storage/journal.js',
  async (real: () => Promise<typeof import('../src/storage/journal.js')>) => {
    const wrapped = await withFaults(faults, 'journal', real);
    return {
      ...wrapped,
      openJournal: (...args: Parameters<typeof wrapped.openJournal>) => {
        const journal = wrapped.openJournal(...args);
        for (const method of ['put', 'delete', 'close'])
          withFaultyMethod(faults, `journal.${method}`, journal, method);
        return journal;
      },
    };
  },
);

let errors: ReturnType<typeof vi.spyOn>;
const rejected: unknown[] = [];
const onRejected = (reason: unknown): void => {
  rejected.push(reason);
};
beforeAll(() => {
  process.on('unhandledRejection', onRejected);
  withFaultyMethod(faults, 'control-group.remove', ControlGroup.prototype, 'remove');
  withFaultyMethod(faults, 'audit-log.append', AuditLog.prototype, 'append');
  withFaultyMethod(faults, 'audit-log.close', AuditLog.prototype, 'close');
  withFaultyMethod(faults, 'sandboxes.recover', SandboxManager.prototype, 'recover');
  withFaultyMethod(faults, 'volumes.recover', VolumeCatalog.prototype, 'recover');
  withFaultyMethod(faults, 'pools.start', Pools.prototype, 'start');
});
afterAll(() => {
  process.off('unhandledRejection', onRejected);
});
beforeEach(() => {
  errors = vi.spyOn(console, 'error').mockImplementation(() => {});
});
afterEach(() => {
  faults.fails = () => false;
  errors.mockRestore();
  expect(rejected).toEqual([]);
});

/** What a host does, in this order or another, to end a sandbox. */
const endingSteps = {
  none: ['tagged-processes.killTaggedProcesses', 'remove-tree.moveTree', 'remove-tree.removeBusyTree'],
  namespaces: [
    'tagged-processes.trySignal',
    'control-group.remove',
    'network.nft',
    'remove-tree.moveTree',
    'remove-tree.removeBusyTree',
  ],
};
const everywhere = ['journal.put', 'journal.delete', 'audit-log.append'];
/** Without these its processes are still there. */
const deadly = ['tagged-processes.killTaggedProcesses', 'tagged-processes.trySignal'];

describe.each(['namespaces', 'none'] as const)(
  'a sandbox that ends (isolation: %s)',
  (isolation: Isolation) => {
    let host: SandboxHost;
    let dataDir: string;
    const skipped = isolation === 'namespaces' && !canIsolate;
    const connection = () => ({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
    beforeAll(async () => {
      if (skipped) return;
      dataDir = await mkdtemp(join(tmpdir(), 'failing-steps-'));
      host = await createSandboxHost({ dataDir, isolation });
    });
    afterAll(async () => {
      await host?.close();
      if (dataDir) await rm(dataDir, { recursive: true, force: true });
    });

    test.skipIf(skipped).each([...endingSteps[isolation], ...everywhere])(
      'is ended or reported when %s fails, and others go on',
      async (step) => {
        const other = await Sandbox.create('base', connection());
        const sandbox = await Sandbox.create('base', connection());
        faults.seen.clear();
        faults.fails = (one) => one === step;
        const killed = await sandbox.kill().catch((error: unknown) => error);
        if (step !== 'network.nft' || faults.seen.has(step)) expect([...faults.seen]).toContain(step);
        if (deadly.includes(step)) {
          expect(killed).toBeInstanceOf(Error);
          expect(errors.mock.calls.flat().join(' ')).toContain(
            `Sandbox ${sandbox.sandboxId} could not be ended`,
          );
        } else expect(killed).toBe(true);
        expect((await other.commands.run('echo here')).stdout).toBe('here\n');
        faults.fails = () => false;
        await Sandbox.kill(sandbox.sandboxId, connection());
        expect(await Sandbox.list(connection()).nextItems()).toHaveLength(1);
        expect(await other.kill()).toBe(true);
        expect(readdirSync(join(dataDir, 'sandboxes'))).toEqual([]);
      },
      60_000,
    );

    test.skipIf(skipped || isolation === 'none')(
      'by itself is ended when that can be done, and its host lives on',
      async () => {
        const sandbox = await Sandbox.create('base', connection());
        const { pid } = JSON.parse(
          readFileSync(join(dataDir, 'sandboxes', sandbox.sandboxId, 'supervisor.json'), 'utf8'),
        );
        faults.seen.clear();
        faults.fails = (step) => !step.startsWith('network');
        process.kill(pid, 'SIGKILL');
        await expect.poll(() => faults.seen.has('control-group.remove')).toBe(true);
        await expect.poll(() => faults.seen.has('journal.delete')).toBe(true);
        faults.fails = () => false;
        const other = await Sandbox.create('base', connection());
        expect(await other.kill()).toBe(true);
      },
      60_000,
    );
  },
);

describe.each(['namespaces', 'none'] as const)('a host whose start fails (isolation: %s)', (isolation) => {
  const skipped = isolation === 'namespaces' && !canIsolate;
  // Enough for the probe of hibernation: what it finds wanting is probed twice at each start.
  const swapFileMB = isolation === 'namespaces' ? 64 : 0;
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'failing-starts-'));
  });
  afterEach(async () => {
    faults.fails = () => false;
    await rm(dataDir, { recursive: true, force: true });
  });

  test.skipIf(skipped)(
    'at any step leaves nothing, and the next start is a good one',
    async () => {
      const options = { dataDir, isolation, swapFileMB };
      faults.seen.clear();
      const first = await createSandboxHost(options);
      const steps = [...faults.seen];
      await first.close();
      expect(steps.length).toBeGreaterThan(8);
      const failed: string[] = [];
      for (const step of steps) {
        faults.fails = (one) => one === step;
        const host = await createSandboxHost(options).catch((error: unknown) => {
          expect(String(error)).toContain(step);
          failed.push(step);
        });
        // Not every step is needed: without some a host promises less.
        await host?.close().catch(() => {});
        faults.fails = () => false;
        if (host) continue;
        expect([step, ...tracesOf(dataDir)]).toEqual([step]);
        await (await createSandboxHost(options)).close();
      }
      expect(tracesOf(dataDir)).toEqual([]);
      expect(failed).toEqual(expect.arrayContaining(['listen.listen', 'read-or-create.readOrCreate']));
    },
    180_000,
  );
});

describe.skipIf(!canIsolate)('a host whose start fails on sandboxes of a host before it', () => {
  const hosts = useHostProcesses();
  /** Before and after it has taken them over. */
  const steps = [
    'listen.listen',
    'journal.openJournal',
    'observability.openObservability',
    'sandboxes.recover',
    'volumes.recover',
    'pools.start',
    'audit-log.append',
    'journal.put',
    'remove-tree.moveTree',
  ];

  test.each(steps)(
    'at %s leaves them as they are, walled in, for a host that starts',
    async (step) => {
      const { dataDir } = hosts;
      const options = { dataDir, isolation: 'namespaces', pools: { base: { min: 0 } } } as const;
      const before = await hosts.start(options);
      const sandbox = await Sandbox.create('base', { ...before.connection, timeoutMs: 600_000 });
      const server = `node -e "require('http').createServer((q, r) => r.end('here')).listen(8080)"`;
      await sandbox.commands.run(server, { background: true, timeoutMs: 0 });
      await before.kill();
      faults.fails = (one) => one === step;
      const host = await createSandboxHost(options).catch((error: unknown) => {
        expect(String(error)).toContain(step);
      });
      faults.fails = () => false;
      // Where it does without that step, it has them itself.
      const next = host ?? (await hosts.start(options)).connection;
      try {
        expect(networksOf(dataDir)?.chains ?? [sandbox.sandboxId]).toEqual([sandbox.sandboxId]);
        const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8080' };
        const answer = async () => (await fetch(next.sandboxUrl, { headers })).text();
        await expect.poll(answer, { timeout: 10_000 }).toBe('here');
      } finally {
        await host?.close();
      }
    },
    90_000,
  );
});

/** Every way in which something is started, ended and removed. */
const random = [
  'start-child.',
  'tagged-processes.trySignal',
  'tagged-processes.killTaggedProcesses',
  'control-group.remove',
  'network.nft',
  'network.ip',
  'network.runOn',
  'network.inRounds',
  'remove-tree.',
  'journal.delete',
  'audit-log.append',
];

describe.each(['namespaces', 'none'] as const)(
  'a host in which starting, ending and removing fail at random (isolation: %s)',
  (isolation) => {
    test.skipIf(isolation === 'namespaces' && !canIsolate)(
      'lives, starts again, and leaves nothing',
      async () => {
        const seed = Number(process.env.SANDPIPER_SEED) || Date.now();
        const operations = process.env.SANDPIPER_FAULTS === 'full' ? 1_000 : 60;
        const dice = seeded(seed);
        const failsNow = (step: string) => random.some((one) => step.startsWith(one)) && dice() < 0.03;
        const dataDir = await mkdtemp(join(tmpdir(), 'failing-at-random-'));
        const start = () => createSandboxHost({ dataDir, isolation, stopGraceMs: 100 });
        let host = await start();
        const connection = () => ({ apiUrl: host.apiUrl, sandboxUrl: host.sandboxUrl, apiKey: host.apiKey });
        const alive = async () => (await Sandbox.list(connection()).nextItems()).map((one) => one.sandboxId);
        let failed = 0;
        let restarts = 0;
        const doOne = async (): Promise<void> => {
          const ids = await alive();
          const id = ids[Math.floor(dice() * ids.length)];
          const kind = Math.floor(dice() * 7);
          if (id === undefined || (kind < 2 && ids.length < 4)) await Sandbox.create('base', connection());
          else if (kind < 4) await Sandbox.kill(id, connection());
          else if (kind === 4) await (await Sandbox.connect(id, connection())).commands.run('echo here');
          else if (kind === 5) await Sandbox.pause(id, connection());
          else if (dice() < 0.3) {
            restarts += 1;
            await host.close().catch(() => {});
            // A start may fail; the next one is to be a good one.
            const again = await start().catch(() => undefined);
            faults.fails = () => false;
            host = again ?? (await start());
          }
        };
        try {
          for (let n = 0; n < operations; n++) {
            faults.fails = failsNow;
            await doOne().catch((error: unknown) => {
              failed += 1;
              // Nothing hangs, and nobody is told a stack.
              expect(String(error)).not.toMatch(/abort|timed? ?out/i);
            });
            faults.fails = () => false;
            await alive();
          }
          for (const id of await alive()) await Sandbox.kill(id, connection());
          await host.close();
          host = await start();
          expect(await alive()).toEqual([]);
          await host.close();
          expect(readdirSync(join(dataDir, 'sandboxes'))).toEqual([]);
          expect(readdirSync(join(dataDir, 'trash'))).toEqual([]);
          expect(tracesOf(dataDir)).toEqual([]);
        } catch (error) {
          throw new Error(`With SANDPIPER_SEED=${seed}: ${String(error)}`, { cause: error });
        } finally {
          faults.fails = () => false;
          await host.close().catch(() => {});
          await rm(dataDir, { recursive: true, force: true });
        }
        console.log(`${operations} operations, ${failed} failed, ${restarts} hosts, seed ${seed}`);
      },
      process.env.SANDPIPER_FAULTS === 'full' ? 900_000 : 180_000,
    );
  },
);

/** Numbers from 0 to 1, always the same for a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
