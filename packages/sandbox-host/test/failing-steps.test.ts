import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlGroup } from '@sandpiper/engine-linux/control-groups/control-group';
import { canIsolate } from '@sandpiper/sandbox-engine/testing/machine';
import { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { AuditLog } from '../src/audit/audit-log.js';
import { createSandboxHost, type Isolation, type SandboxHost } from '../src/index.js';
import { Pools } from '../src/pools/pools.js';
import { SandboxManager } from '../src/sandboxes/sandbox-manager.js';
import { VolumeCatalog } from '../src/volumes/volume-catalog.js';

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
