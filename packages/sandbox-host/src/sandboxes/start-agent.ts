import { get } from 'node:http';
import type { Endpoint } from '../engines/engine.js';
import { HostError } from '../errors.js';
import { accepts, connectTo } from './accepts.js';
import type { Sandbox } from './sandbox.js';
import type { StartCommand } from './sandbox-settings.js';

/** How long a server may take to become ready. */
const readyTimeoutMs = 60_000;
/** Between two looks: a small part of what the server has taken so far, and no less than a look takes. */
const pausePart = 1 / 32;
const shortestPauseMs = 2;
const longestPauseMs = 500;
/** How long a server that has taken the question may take to answer it. */
const answerTimeoutMs = 5_000;

/** Starts a template's server and waits until it is ready, or has ended badly. */
export async function startAgent(
  sandbox: Sandbox,
  command: StartCommand,
  signal?: AbortSignal,
): Promise<void> {
  const { user, workdir } = sandbox.settings;
  const shell = (script: string, logged: boolean) =>
    sandbox.start({
      cmd: '/bin/bash',
      args: ['-l', '-c', script],
      envs: {},
      cwd: workdir,
      user,
      stdin: false,
      logged,
    });
  const agent = await shell(command.startCmd, true);
  let ended: string | undefined;
  const logged = sandbox.log.follow(agent.output);
  void logged.then((status) => {
    ended = status;
  });
  if (!command.readyCmd) return;
  // One that has done its work may have left a server behind; one that failed has not.
  const failed = agent.process.ended.then(async ({ code }) => {
    if (code === 0) return new Promise<never>(() => {});
    await logged;
    return false;
  });
  const isReady = readyCheck(sandbox, command.readyCmd, async (script) => {
    const probe = await shell(script, false);
    for await (const event of probe.output.read(signal ?? new AbortController().signal)) {
      if (event.type === 'end') return event.status.code === 0;
    }
    return false;
  });
  const begun = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    const lookedAt = performance.now();
    if (await Promise.race([isReady(), failed])) return;
    const now = performance.now();
    const elapsedMs = now - begun;
    if (ended || elapsedMs > readyTimeoutMs) {
      const last = sandbox.log
        .lines()
        .slice(-5)
        .map((line) => line.message);
      const why = ended ? `ended (${ended})` : `was not ready after ${readyTimeoutMs / 1000} s`;
      throw new HostError(500, `The template's start command ${why}. Its last output: ${last.join(' | ')}`);
    }
    const pauseMs = Math.min(
      Math.max(elapsedMs * pausePart, now - lookedAt, shortestPauseMs),
      longestPauseMs,
    );
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * The ready commands the E2B SDK writes for "a port is open" and "a URL answers" are asked of the port directly:
 * they need tools that not every machine has, and which cannot see a remapped port.
 */
function readyCheck(
  sandbox: Sandbox,
  readyCmd: string,
  runCommand: (script: string) => Promise<boolean>,
): () => Promise<boolean> {
  const port = /^\[ -n "\$\(ss -Htuln sport = :(\d+)\)" \]$/.exec(readyCmd)?.[1];
  if (port) return async () => accepts(await sandbox.engine.dial(Number(port)));
  const [, url, status] =
    /^curl -s -o \/dev\/null -w "%\{http_code\}" '?(http:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0)[^' ]*)'? \| grep -q "(\d+)"$/.exec(
      readyCmd,
    ) ?? [];
  if (url && status) {
    const { host, port: urlPort, pathname, search } = new URL(url);
    return async () => {
      const endpoint = await sandbox.engine.dial(Number(urlPort || 80));
      return (await statusOf(endpoint, host, `${pathname}${search}`)) === Number(status);
    };
  }
  return () => runCommand(readyCmd);
}

/** Nothing of a request is made before there is somebody to send it to: most looks come too early. */
async function statusOf(
  endpoint: Endpoint | undefined,
  host: string,
  path: string,
): Promise<number | undefined> {
  const socket = await connectTo(endpoint);
  if (!socket) return undefined;
  const signal = AbortSignal.timeout(answerTimeoutMs);
  const status = await new Promise<number | undefined>((resolve) => {
    get({ createConnection: () => socket, headers: { host }, path, signal })
      .once('response', ({ statusCode }) => resolve(statusCode))
      .once('error', () => resolve(undefined));
  });
  socket.destroy();
  return status;
}
