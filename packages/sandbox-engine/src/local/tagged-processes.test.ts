import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { ownerTag, stateOfOwner } from '../owner.js';
import { killOrphanedTools } from './tagged-processes.js';
import { toolEnvironment } from './tool-environment.js';

test.skipIf(process.platform !== 'linux')(
  'tools that a host left running when it died are ended, and those of a host that lives go on',
  async () => {
    const [, namespace] = ownerTag().split('-');
    // Beyond the largest number a process can have.
    const dead = `${2 ** 22 + 1}-${namespace}-1`;
    expect(stateOfOwner(dead)).toBe('dead');
    // What a tool starts has its environment, too.
    const tool = (environment: NodeJS.ProcessEnv): ChildProcess =>
      spawn('sh', ['-c', 'sleep 600 & echo; wait'], {
        detached: true,
        env: environment,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    const own = tool(toolEnvironment());
    const left = tool({ ...process.env, SANDPIPER_OWNER: dead });
    const ended = once(left, 'close');
    await Promise.all([own, left].map((one) => once(one.stdout ?? one, 'data')));
    await killOrphanedTools();
    // Its output ends with the last process that has it.
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect([own.exitCode, own.signalCode]).toEqual([null, null]);
    const gone = once(own, 'close');
    process.kill(-(own.pid ?? 0), 'SIGKILL');
    await gone;
  },
);
