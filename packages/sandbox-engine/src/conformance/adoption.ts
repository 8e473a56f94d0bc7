import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AdoptedProcess, AdoptedSandbox, EngineSandbox, StartOptions } from '../engine.js';
import { type ClosableEngine, runIn, type StartEngine, smallLimits } from '../testing/engine-fixture.js';
import { HostProgram, type Killed } from './kill-host.js';

/** An engine whose sandboxes outlive the process it is in. */
export interface Adoption {
  /** Starts it so that they do. */
  start: StartEngine;
  /** The path of a program that calls `beShortLivedHost` with the same. */
  program: string;
}

const options: StartOptions = {
  limits: smallLimits,
  network: { internet: true, allowOut: [], denyOut: [] },
};
const id = `adopted${process.pid}`;

/** What becomes of a sandbox whose host is killed. */
export function describeAdoption({ start, program }: Adoption): void {
  describe('a sandbox whose host was killed', () => {
    let host: HostProgram;
    let directory: string;
    let engine: ClosableEngine | undefined;
    let adopted: AdoptedSandbox | undefined;

    beforeAll(async () => {
      host = await HostProgram.build(program);
    }, 90_000);
    afterAll(() => host?.[Symbol.asyncDispose]());
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'adoption-'));
    });
    afterEach(async () => {
      await adopted?.sandbox.destroy();
      await engine?.endOthers([]);
      await engine?.close();
      [engine, adopted] = [undefined, undefined];
      await rm(directory, { recursive: true, force: true });
    }, 90_000);

    const killHost = (commands: Killed['commands'], { freeze = false } = {}): Promise<void> =>
      host.runAndKill({ directory, id, freeze, commands });
    const adopt = async (): Promise<AdoptedSandbox> => {
      engine = await start(directory);
      adopted = await engine.adopt(id, engine.baseImage, options);
      if (!adopted) throw new Error('There was nothing to adopt.');
      await engine.endOthers([]);
      return adopted;
    };
    /** Waits in the sandbox's home for a file. */
    const until = (name: string): string => `while [ ! -e ${name} ]; do sleep 0.02; done`;
    const touch = (sandbox: EngineSandbox, name: string) =>
      sandbox.files.write(`/home/user/${name}`, Readable.from([Buffer.from('')]), 'user');

    test('is taken over with the commands that run in it: their output, their input and how they end', async () => {
      await killHost([
        { script: `${until('go')}; echo out; echo err >&2; exit 7`, label: 'runs on' },
        { script: 'cat', label: 'reads', stdin: true },
        { script: until('never'), label: 'is killed' },
      ]);
      const { sandbox, processes } = await adopt();
      const found = await processes;
      expect(found.map(({ label }) => label)).toEqual(['runs on', 'reads', 'is killed']);
      await touch(sandbox, 'go');
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
      expect(await runIn(sandbox, 'whoami; ls ~')).toMatchObject({ output: 'user\ngo\n', code: 0 });
    });

    test('keeps its terminals', async () => {
      await killHost([{ script: 'exec bash --norc -i', label: 'shell', terminal: true }]);
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

    test('is taken over frozen when it was frozen, and reports its commands once it is thawed', async () => {
      await killHost([{ script: until('go'), label: 'waits' }], { freeze: true });
      const { sandbox, processes } = await adopt();
      let reported = false;
      const reporting = processes.then((found) => {
        reported = true;
        return found;
      });
      await sandbox.freeze();
      expect(reported).toBe(false);
      await sandbox.thaw();
      const waits = find(await reporting, 'waits');
      waits.stdout.resume();
      waits.stderr.resume();
      await touch(sandbox, 'go');
      expect(await waits.ended).toEqual({ code: 0, signal: undefined });
    });

    test('cannot be taken over any more once others were ended', async () => {
      await killHost([{ script: until('never'), label: 'waits' }]);
      engine = await start(directory);
      await engine.endOthers([]);
      expect(await engine.adopt(id, engine.baseImage, options)).toBeUndefined();
    });
  });
}

function find(processes: AdoptedProcess[], label: string): AdoptedProcess['process'] {
  const found = processes.find((one) => one.label === label);
  if (!found) throw new Error(`There is no process ${label}.`);
  return found.process;
}
