import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { disksOf, groupsOf, processesWith } from '@sandpiper/engine-linux/testing/traces';
import type { AdoptedProcess, AdoptedSandbox, StartOptions } from '@sandpiper/sandbox-engine/engine';
import type { LocalEngine } from '@sandpiper/sandbox-engine/local/local-engine';
import { runIn, smallLimits } from '@sandpiper/sandbox-engine/testing/engine-fixture';
import { describeIsolated, isolationObstacle } from '@sandpiper/sandbox-engine/testing/machine';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textLoader } from '../../../scripts/text-files.js';
import { openEngine } from '../src/host/open-engine.js';
import { installedPackages } from './bundle-program.js';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));
const options: StartOptions = {
  limits: smallLimits,
  network: { internet: true, allowOut: [], denyOut: [] },
};
const id = `adopted${process.pid}`;
/** Waits in a sandbox for a file. */
const until = (name: string) => `while [ ! -e /tmp/${name} ]; do sleep 0.02; done`;

let built: string;
let directory: string;
let engine: LocalEngine | undefined;
let adopted: AdoptedSandbox | undefined;

beforeAll(async () => {
  // Beside the dependencies, so that they are found.
  built = await mkdtemp(join(packageDirectory, 'node_modules/.engine-adoption-'));
  await build({
    loader: textLoader,
    entryPoints: [join(packageDirectory, 'test/programs/engine-host.ts')],
    outfile: join(built, 'engine-host.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: installedPackages,
  });
}, 90_000);
afterAll(() => rm(built, { recursive: true, force: true }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'engine-adoption-'));
});
afterEach(async () => {
  engine ??= await openEngine({ logger: console, directory, keepSandboxes: true });
  await adopted?.sandbox.destroy();
  await engine.endOthers([]);
  await engine.close();
  [engine, adopted] = [undefined, undefined];
  expect([...groupsOf(directory), ...disksOf(directory)]).toEqual([]);
  await rm(directory, { recursive: true, force: true });
}, 90_000);

interface Wish {
  script: string;
  label: string;
  stdin?: boolean;
  terminal?: boolean;
}

/** An engine of another process starts a sandbox and commands in it, and is killed. */
async function killedHost(commands: Wish[], { freeze = false } = {}): Promise<void> {
  const orders = {
    directory,
    id,
    freeze,
    commands: commands.map((one) => ({ stdin: false, terminal: false, ...one })),
  };
  const child = spawn(process.execPath, [join(built, 'engine-host.mjs'), JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  expect(String(said)).toBe('ready\n');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

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
  engine = await openEngine({ logger: console, directory, keepSandboxes: true });
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
  test('is taken over with the commands that run in it: their output, their input and how they end', async () => {
    await killedHost([
      { script: `${until('go')}; echo out; echo err >&2; exit 7`, label: 'runs on' },
      { script: 'cat', label: 'reads', stdin: true },
      { script: until('never'), label: 'is killed' },
    ]);
    const { sandbox, processes } = await adopt();
    const found = await processes;
    expect(found.map(({ label }) => label)).toEqual(['runs on', 'reads', 'is killed']);
    touch('go');
    const first = find(found, 'runs on');
    expect(await Promise.all([text(first.stdout), text(first.stderr)])).toEqual(['out\n', 'err\n']);
    expect(await first.ended).toEqual({ code: 7, signal: undefined });
    const reader = find(found, 'reads');
    reader.stdin?.end('still here\n');
    reader.stderr.resume();
    expect(await text(reader.stdout)).toBe('still here\n');
    expect(await reader.ended).toEqual({ code: 0, signal: undefined });
    const last = find(found, 'is killed');
    last.stdout.resume();
    last.stderr.resume();
    await last.kill('SIGKILL');
    expect(await last.ended).toEqual({ code: undefined, signal: 'SIGKILL' });
    // And it goes on as a sandbox of this host.
    expect(await runIn(sandbox, 'whoami; ls /tmp')).toMatchObject({ output: 'user\ngo\n', code: 0 });
    await sandbox.destroy();
    expect(existsSync(join(directory, 'sandboxes', id))).toBe(false);
  });

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

  test('keeps its terminals', async () => {
    await killedHost([{ script: 'exec bash --norc -i', label: 'shell', terminal: true }]);
    const { processes } = await adopt();
    const shell = find(await processes, 'shell');
    let seen = '';
    shell.stdout.on('data', (data: Buffer) => {
      seen += data.toString();
    });
    shell.stderr.resume();
    await shell.resize?.({ cols: 91, rows: 17 });
    shell.stdin?.write('stty size; exit 4\n');
    expect(await shell.ended).toEqual({ code: 4, signal: undefined });
    expect(seen).toContain('17 91');
  });

  test('is taken over frozen when it was frozen, and tells of its commands once it is thawed', async () => {
    await killedHost([{ script: until('go'), label: 'waits' }], { freeze: true });
    const { sandbox, processes } = await adopt();
    let told = false;
    void processes.then(() => {
      told = true;
    });
    touch('go');
    await sandbox.freeze();
    expect(told).toBe(false);
    await sandbox.thaw();
    const waits = find(await processes, 'waits');
    waits.stdout.resume();
    waits.stderr.resume();
    expect(await waits.ended).toEqual({ code: 0, signal: undefined });
  });

  test('is ended, frozen or not, with everything it had when nobody takes it over', async () => {
    const mark = `adoption-left-${id}`;
    for (const freeze of [false, true]) {
      await killedHost([{ script: `: ${mark}; ${until('never')}`, label: '' }], { freeze });
      expect(processesWith(mark).length).toBeGreaterThan(0);
      const next = await openEngine({ logger: console, directory, keepSandboxes: true });
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
    const other = await openEngine({ logger: console, directory: stranger });
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
    engine = await openEngine({ logger: console, directory, keepSandboxes: true });
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

describe.each(['namespaces', 'none'] as const)(
  'a sandbox that ends with its files kept (%s)',
  { timeout: 90_000 },
  (isolation) => {
    test('starts with them again', async ({ skip }) => {
      skip(isolation === 'namespaces' && isolationObstacle !== undefined, isolationObstacle);
      engine = await openEngine({ logger: console, directory, keepSandboxes: true, isolation });
      const first = await engine.start(id, engine.baseImage, options);
      const home = first.pathInside('/home/user');
      await runIn(first, `echo kept > ${home}/file; rm -f ${home}/.[!.]*`);
      await first.destroy({ keepFiles: true });
      await engine.endOthers([id]);
      const second = await engine.start(id, engine.baseImage, options);
      expect((await runIn(second, `cd ${home} && cat file && ls -A`)).output).toBe('kept\nfile\n');
      await second.destroy({ keepFiles: true });
      await engine.removeFiles(id);
      expect(readdirSync(join(directory, 'sandboxes'))).toEqual([]);
    });
  },
);
