import { HostError } from '../errors.js';
import { accepts } from './accepts.js';
import { getFromPort } from './get-from-port.js';
import type { Sandbox } from './sandbox.js';
import type { StartCommand } from './sandbox-settings.js';

/** How long a server may take to become ready. */
const readyTimeoutMs = 60_000;
/** Between two looks: a small part of what the server has taken so far, and no less than a look takes. */
const pausePart = 1 / 16;
const shortestPauseMs = 4;
const longestPauseMs = 500;

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
  void sandbox.log.follow(agent.output).then((status) => {
    ended = status;
  });
  if (!command.readyCmd) return;
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
    if (await isReady()) return;
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
    const { port: urlPort, pathname, search } = new URL(url);
    return async () => {
      const response = await getFromPort(
        sandbox.engine,
        Number(urlPort || 80),
        `${pathname}${search}`,
        AbortSignal.timeout(5_000),
      );
      await response?.body?.cancel();
      return response?.status === Number(status);
    };
  }
  return () => runCommand(readyCmd);
}
