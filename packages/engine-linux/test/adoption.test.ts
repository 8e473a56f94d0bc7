import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { HostProgram, type Killed } from '@sandpiper/sandbox-engine/conformance/kill-host';
import type { AdoptedProcess, AdoptedSandbox, StartOptions } from '@sandpiper/sandbox-engine/engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { runIn, smallLimits } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated } from '@sandpiper/sandbox-engine/testing/machine';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { disksOf, groupsOf, processesWith } from '../src/testing/traces.js';
import { start, startKeeping } from './start.js';

const options: StartOptions = {
  limits: smallLimits,
  network: { internet: true, allowOut: [], denyOut: [] },
};
const id = `adopted${process.pid}`;
/** Waits in a sandbox for a file. */
const until = (name: string) => `while [ ! -e /tmp/${name} ]; do sleep 0.02; done`;

let host: HostProgram;
let directory: string;
let engine: LocalEngine | undefined;
let adopted: AdoptedSandbox | undefined;

beforeAll(async () => {
  host = await HostProgram.build(fileURLToPath(new URL('programs/short-lived-host.ts', import.meta.url)));
}, 90_000);
afterAll(() => host[Symbol.asyncDispose]());

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'engine-adoption-'));
});
afterEach(async () => {
  engine ??= await startKeeping(directory);
  await adopted?.sandbox.destroy();
  await engine.endOthers([]);
  await engine.close();
  [engine, adopted] = [undefined, undefined];
  expect([...groupsOf(directory), ...disksOf(directory)]).toEqual([]);
  await rm(directory, { recursive: true, force: true });
}, 90_000);

/** An engine of another process starts a sandbox and commands in it, and is killed. */
const killedHost = (commands: Killed['commands'], { freeze = false } = {}): Promise<void> =>
  host.runAndKill({ directory, id, freeze, commands });

/** The number of the sandbox's first process, as the machine counts. */
function supervisorPid(): number {
  const { pid } = JSON.parse(readFileSync(join(directory, 'sandboxes', id, 'supervisor.json'), 'utf8'));
  return pid;
}

/** Makes a file in the sandbox, from outside. */
function touch(name: string): void {
  writeFileSync(`/proc/${supervisorPid()}/root/tmp/${name}`, '');
}

async function adopt(): Promise<AdoptedSandbox> {
  engine = await startKeeping(directory);
  adopted = await engine.adopt(id, engine.baseImage, options);
  if (!adopted) throw new Error('There was nothing to adopt.');
  await engine.endOthers([]);
  return adopted;
}

function find(processes: AdoptedProcess[], label: string): AdoptedProcess['process'] {
  const found = processes.find((one) => one.label === label);
  if (!found) throw new Error(`There is no process ${label}.`);
  return found.process;
}

describeIsolated('a sandbox whose host was killed', { timeout: 90_000 }, () => {
  test('keeps what was written and how commands ended while there was no host', async () => {
    const mark = `adoption-${id}`;
    await killedHost([
      // More than a pipe holds: it waits for somebody to read.
      { script: `: ${mark}; ${until('go')}; head -c 300000 /dev/zero; exit 3`, label: 'writes' },
      { script: `: ${mark}; ${until('go')}; echo short; kill -TERM $$`, label: 'ends' },
    ]);
    touch('go');
    await expect.poll(() => processesWith(mark).length, { timeout: 20_000 }).toBe(1);
    const { processes } = await adopt();
    const found = await processes;
    const [writes, ends] = [find(found, 'writes'), find(found, 'ends')];
    ends.stderr.resume();
    writes.stderr.resume();
    expect(await text(ends.stdout)).toBe('short\n');
    expect(await ends.ended).toEqual({ code: undefined, signal: 'SIGTERM' });
    expect((await text(writes.stdout)).length).toBe(300_000);
    expect(await writes.ended).toEqual({ code: 3, signal: undefined });
  });

  test('is ended, frozen or not, with everything it had when nobody takes it over', async () => {
    const mark = `adoption-left-${id}`;
    for (const freeze of [false, true]) {
      await killedHost([{ script: `: ${mark}; ${until('never')}`, label: '' }], { freeze });
      expect(processesWith(mark).length).toBeGreaterThan(0);
      const next = await startKeeping(directory);
      await next.endOthers([]);
      expect(processesWith(mark)).toEqual([]);
      expect(readdirSync(join(directory, 'sandboxes'))).toEqual([]);
      expect(await next.adopt(id, next.baseImage, options)).toBeUndefined();
      await next.close();
    }
  });

  test('is ended by any other host when its data directory has gone', async () => {
    const mark = `adoption-gone-${id}`;
    await killedHost([{ script: `: ${mark}; ${until('never')}`, label: '' }]);
    expect(processesWith(mark).length).toBeGreaterThan(0);
    for (const traces of [groupsOf(directory), disksOf(directory)]) expect(traces).not.toEqual([]);
    await rm(directory, { recursive: true });
    const stranger = await mkdtemp(join(tmpdir(), 'engine-adoption-'));
    const other = await start(stranger);
    // Any other host of this machine may be at it, too.
    await expect.poll(() => processesWith(mark), { timeout: 30_000 }).toEqual([]);
    await expect.poll(() => [...groupsOf(directory), ...disksOf(directory)], { timeout: 30_000 }).toEqual([]);
    await other.close();
    await rm(stranger, { recursive: true, force: true });
  });

  test('is known to be gone when another process has its number', async () => {
    await killedHost([]);
    const file = join(directory, 'sandboxes', id, 'supervisor.json');
    const identity = JSON.parse(readFileSync(file, 'utf8'));
    process.kill(identity.pid, 'SIGKILL');
    await writeFile(file, JSON.stringify({ ...identity, pid: process.pid }));
    engine = await startKeeping(directory);
    expect(await engine.adopt(id, engine.baseImage, options)).toBeUndefined();
    await engine.endOthers([]);
    expect(readdirSync(join(directory, 'sandboxes'))).toEqual([]);
  });

  test('is known to be lost when its first process ends', async () => {
    await killedHost([{ script: until('never'), label: 'waits' }]);
    const { sandbox, processes } = await adopt();
    const waits = find(await processes, 'waits');
    waits.stdout.resume();
    waits.stderr.resume();
    process.kill(supervisorPid(), 'SIGKILL');
    await sandbox.lost;
    expect(await waits.ended).toEqual({ code: undefined, signal: 'SIGKILL' });
    await expect(runIn(sandbox, 'true')).rejects.toThrow();
  });
});
