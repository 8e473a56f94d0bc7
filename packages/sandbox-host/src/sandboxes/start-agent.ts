import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { OnLine } from './follow-lines.js';
import { OutputExcerpt } from './output-excerpt.js';
import { type ReadyTarget, readyCheck } from './ready-check.js';
import type { SandboxLog } from './sandbox-log.js';
import type { StartCommand } from './sandbox-settings.js';
import { startShell } from './start-shell.js';

/** How long a server may take to become ready. */
const readyTimeoutMs = 60_000;
/** Between two looks: a small part of what the server has taken so far, and no less than a look takes. */
const pausePart = 1 / 32;
const shortestPauseMs = 2;
const longestPauseMs = 500;

/** What is wanted while a server starts. */
export interface StartOptions {
  signal?: AbortSignal;
  /** Is given what the server writes until it is ready or has failed. */
  onLine?: OnLine;
}

/**
 * Starts a template's server and waits until it is ready, or has ended badly. A start command that ends with 0 has put
 * its server into the background, so only the ready command decides.
 *
 * @throws HostError 500 that says how it ended and what it wrote.
 */
export async function startAgent(
  sandbox: ReadyTarget & { readonly log: SandboxLog },
  { startCmd, readyCmd }: StartCommand,
  { signal, onLine }: StartOptions = {},
): Promise<void> {
  const agent = await startShell(sandbox, startCmd, { logged: true });
  const excerpt = new OutputExcerpt();
  let starting = readyCmd !== undefined;
  let ended: string | undefined;
  const logged = sandbox.log.follow(agent.output, (line, source) => {
    if (!starting) return;
    excerpt.add(line, source);
    onLine?.(line, source);
  });
  logged
    .then((status) => {
      ended = status;
    })
    .catch((error: unknown) => sandbox.log.add('error', `Its output could not be read: ${String(error)}`));
  if (!readyCmd) return;
  const failed = agent.process.ended.then(async ({ code }) => {
    if (code === 0) return new Promise<never>(() => {});
    await logged;
    return 'failed' as const;
  });
  const check = readyCheck(sandbox, readyCmd, signal);
  const begun = performance.now();
  try {
    for (;;) {
      signal?.throwIfAborted();
      const lookedAt = performance.now();
      const outcome = await Promise.race([check.isReady(), failed]);
      if (outcome === true) return;
      const now = performance.now();
      const elapsedMs = now - begun;
      if (outcome === 'failed' || elapsedMs > readyTimeoutMs) {
        const why = [
          outcome === 'failed' ? undefined : `was not ready after ${readyTimeoutMs / 1000} s`,
          ended && `ended (${ended})`,
        ];
        const said = [`Its output: ${String(excerpt) || '(none)'}`];
        if (check.lastOutput()) said.push(`The ready command's output: ${check.lastOutput()}`);
        const what = why.filter(Boolean).join(' and ');
        throw new HostError(500, `The template's start command ${what}. ${said.join('. ')}`);
      }
      const pauseMs = Math.min(
        Math.max(elapsedMs * pausePart, now - lookedAt, shortestPauseMs),
        longestPauseMs,
      );
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } finally {
    starting = false;
  }
}
