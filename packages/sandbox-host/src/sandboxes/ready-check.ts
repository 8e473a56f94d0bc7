import { get } from 'node:http';
import type { Endpoint, EngineSandbox } from '@sandpiper/sandbox-engine/engine';
import { accepts, dialReady } from './dial.js';
import { type ScriptTarget, startShell } from './start-shell.js';

/** How long a server that has taken the question may take to answer it. */
const answerTimeoutMs = 5_000;
/** In characters. */
const outputKept = 500;

/** A sandbox, as far as is needed to see whether its server is ready. */
export interface ReadyTarget extends ScriptTarget {
  readonly engine: Pick<EngineSandbox, 'dial'>;
}

/** Whether a template's server is ready. */
export interface ReadyCheck {
  isReady: () => Promise<boolean>;
  /** The end of what the ready command wrote when it was run last. */
  lastOutput: () => string;
}

/**
 * The ready commands the E2B SDK writes for "a port is open" and "a URL answers" are asked of the port directly:
 * they need tools that not every machine has, and which cannot see a remapped port.
 */
export function readyCheck(
  sandbox: ReadyTarget,
  readyCmd: string,
  signal: AbortSignal = new AbortController().signal,
): ReadyCheck {
  const asked = askedDirectly(sandbox, readyCmd);
  if (asked) return { isReady: asked, lastOutput: () => '' };
  let output = '';
  return {
    async isReady() {
      const probe = await startShell(sandbox, readyCmd);
      let written = '';
      for await (const event of probe.output.read(signal)) {
        if (event.type !== 'end') written = (written + Buffer.from(event.data)).slice(-outputKept);
        else if (event.status.code === 0) return true;
      }
      output = written.trim();
      return false;
    },
    lastOutput: () => output,
  };
}

function askedDirectly(sandbox: ReadyTarget, readyCmd: string): (() => Promise<boolean>) | undefined {
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
  return undefined;
}

/** Nothing of a request is made before there is somebody to send it to: most looks come too early. */
async function statusOf(
  endpoint: Endpoint | undefined,
  host: string,
  path: string,
): Promise<number | undefined> {
  const socket = await dialReady(endpoint);
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
