import type { Sandbox } from '../sandboxes/sandbox.js';
import { requireToken } from './access-token.js';

/** A response of envd about a sandbox as a whole. */
export interface StateResponse {
  status: number;
  /** Sent as JSON; undefined: there is none. */
  body?: unknown;
}

/**
 * Reads `/health`, `/envs` and `/metrics` of a sandbox; undefined for every other path.
 *
 * @throws HostError 401 without the token, 404 or 409 when the sandbox is not running.
 */
export async function readState(
  sandbox: Sandbox,
  path: string,
  token: string | undefined,
): Promise<StateResponse | undefined> {
  if (path === '/health') {
    // Also says that the sandbox is not paused.
    sandbox.assertRunning();
    return { status: 204 };
  }
  if (path !== '/envs' && path !== '/metrics') return undefined;
  requireToken(sandbox, token);
  return { status: 200, body: path === '/envs' ? sandbox.settings.envs : await metrics(sandbox) };
}

async function metrics(sandbox: Sandbox): Promise<Record<string, number>> {
  await sandbox.sampler.take();
  const sample = sandbox.sampler.samples().at(-1);
  const { cpuCount, memoryMB } = sandbox.settings;
  return {
    ts: Math.floor((sample?.at ?? Date.now()) / 1000),
    cpu_count: Math.ceil(cpuCount),
    cpu_used_pct: sample?.cpuPercent ?? 0,
    mem_total: memoryMB * 2 ** 20,
    mem_used: sample?.memoryBytes ?? 0,
    disk_total: sample?.diskTotalBytes ?? 0,
    disk_used: sample?.diskUsedBytes ?? 0,
  };
}
