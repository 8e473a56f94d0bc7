import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import type {
  Capabilities,
  EngineProcess,
  EngineSandbox,
  ExitStatus,
  Limits,
  StartOptions,
} from '@sandpiper/sandbox-engine/engine';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import { attemptScript, busyScript, escapeAttempts, holdScript, memoryScript } from './attempts.js';
import connectScript from './connect.pl';
import fillScript from './fill.pl';
import forkScript from './fork.pl';
import gatewayScript from './gateway.pl';

/** Small enough to reach every limit at once. */
const limits: Required<Limits> = { cpuCount: 0.4, memoryMB: 64, pids: 32, diskMB: 16 };

/** Where clouds tell a machine its credentials. */
const metadataService = '169.254.169.254:80';

/** How the probe sandbox is started. */
export const probeOptions: StartOptions = {
  limits,
  network: { internet: false, allowOut: [], denyOut: [] },
};

/** What the probe saw that is not as described, by capability. */
export type Findings = { [name in keyof Capabilities]?: string | undefined };

/**
 * Tries to escape from, exceed and connect out of a sandbox made for this, for each capability that is said to be
 * enforced.
 *
 * @param hostFile - A file of the host that sandboxes must not be able to read.
 */
export async function probe(
  described: Capabilities,
  sandbox: EngineSandbox,
  hostFile: string,
): Promise<Findings> {
  const findings: Findings = {};
  const check = async (
    name: keyof Capabilities,
    attempt: () => Promise<string | undefined>,
  ): Promise<void> => {
    if (described[name].level === 'enforced') findings[name] = await attempt();
  };
  await Promise.all([
    check('isolation', () => tryToEscape(sandbox, hostFile)),
    check('network', () => tryToConnect(sandbox)),
  ]);
  await check('limits', () => tryToExceed(sandbox));
  await check('disk', () => tryToFill(sandbox));
  await check('freeze', () => tryToRunWhileFrozen(sandbox));
  await check('hibernate', () => tryToStayInMemory(sandbox));
  return findings;
}

async function tryToEscape(sandbox: EngineSandbox, hostFile: string): Promise<string | undefined> {
  const attempts = escapeAttempts(hostFile);
  for (const user of ['user', 'root'] as const) {
    const { output, code } = await runIn(sandbox, user, '/bin/sh', [
      '-c',
      `${attemptScript(attempts)}\nexit 0`,
    ]);
    if (code !== 0) return `the probe's script ended with ${code}`;
    const escapes = output
      .split('\n')
      .filter(Boolean)
      .map((line) => attempts[Number(line)]?.what ?? line);
    if (escapes.length > 0) return `as ${user}, a program in a sandbox could ${escapes.join(', ')}`;
  }
  return undefined;
}

async function tryToConnect(sandbox: EngineSandbox): Promise<string | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    // The host itself gets through, or a refusal would mean nothing.
    await once(connect(port, '127.0.0.1').resume(), 'close');
    const gateway = (await perl(sandbox, gatewayScript)).output;
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .slice(0, 8);
    const hosts = new Set(['127.0.0.1', ...(gateway ? [gateway] : []), ...own.map(({ address }) => address)]);
    const targets = [...[...hosts].map((host) => `${host}:${port}`), metadataService];
    const { output } = await perl(sandbox, connectScript, targets);
    const reached = output.split('\n').filter(Boolean);
    return reached.length > 0 ? `a sandbox that may reach nothing reached ${reached.join(', ')}` : undefined;
  } finally {
    server.close();
  }
}

async function tryToExceed(sandbox: EngineSandbox): Promise<string | undefined> {
  const exceeded: string[] = [];
  const begin = performance.now();
  const { cpuMs: before } = await sandbox.stats();
  await perl(sandbox, busyScript);
  const { cpuMs } = await sandbox.stats();
  const allowedMs = (performance.now() - begin) * limits.cpuCount;
  // A period's share may be used up at either end, and what one processor began is counted late on another.
  if (cpuMs - before > allowedMs + 100) exceeded.push(`${Math.round(cpuMs - before)} ms of processor time`);
  const forks = Number((await perl(sandbox, forkScript)).output);
  if (forks > limits.pids) exceeded.push(`${forks} processes`);
  const { output } = await perl(sandbox, memoryScript);
  if (output) exceeded.push(`${output} bytes of memory`);
  return exceeded.length > 0
    ? `a program in a sandbox got more than its limit: ${exceeded.join(', ')}`
    : undefined;
}

async function tryToFill(sandbox: EngineSandbox): Promise<string | undefined> {
  const { output } = await perl(sandbox, fillScript, [String(2 * limits.diskMB)]);
  const [megabytes, files] = output.split(' ').map(Number);
  // A file system that lets nothing be written would pass for one that is limited.
  if (!megabytes || !files) return `what can be kept could not be tried: ${output || 'nothing was said'}`;
  // As many files as there are pieces of 16 kB.
  const ended = megabytes <= limits.diskMB && files <= limits.diskMB * 64;
  return ended ? undefined : `a sandbox with ${limits.diskMB} MB kept ${megabytes} MB, or ${files} files`;
}

async function tryToRunWhileFrozen(sandbox: EngineSandbox): Promise<string | undefined> {
  const busy = perl(sandbox, busyScript);
  await sandbox.freeze();
  const { cpuMs: before } = await sandbox.stats();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { cpuMs } = await sandbox.stats();
  await sandbox.thaw();
  await busy;
  // The kernel may count a tick late.
  return cpuMs > before + 10 ? 'a frozen sandbox went on running' : undefined;
}

async function tryToStayInMemory(sandbox: EngineSandbox): Promise<string | undefined> {
  const holder = await start(sandbox, 'user', 'perl', ['-e', holdScript]);
  await once(holder.stdout, 'data');
  const { residentBytesBefore: before, residentBytesAfter: after } = await sandbox.hibernate();
  await sandbox.thaw();
  return after > before / 2 ? `hibernation left ${after} of ${before} bytes in memory` : undefined;
}

function perl(sandbox: EngineSandbox, script: string, args: string[] = []): Promise<Ended> {
  return runIn(sandbox, 'user', 'perl', ['-e', script, ...args]);
}

type Ended = ExitStatus & { output: string };

async function runIn(sandbox: EngineSandbox, user: SandboxUser, cmd: string, args: string[]): Promise<Ended> {
  const child = await start(sandbox, user, cmd, args);
  const [output, status] = await Promise.all([text(child.stdout), child.ended]);
  return { ...status, output };
}

async function start(
  sandbox: EngineSandbox,
  user: SandboxUser,
  cmd: string,
  args: string[],
): Promise<EngineProcess> {
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
  const child = await sandbox.exec({ cmd, args, env, cwd: '/', user, stdin: false });
  child.stderr.resume();
  return child;
}
