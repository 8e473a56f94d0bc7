import { agentPort } from '@sandpiper/protocol';
import type { Sandbox } from 'e2b';
import { SandboxCreationError } from '../errors/sandbox-creation-error.js';
import type { Platform } from '../platform/platform.js';
import { translate } from '../platform/platform-error.js';
import { sleep } from '../sleep.js';
import { createSandbox } from './create-sandbox.js';
import type { CreateSessionOptions } from './create-session-options.js';
import { ensureAgentReady, findAgentConfig } from './ensure-agent-ready.js';
import type { Orphans } from './orphans.js';
import type { SandboxRecord } from './sandbox-api.js';
import { SandboxHandle } from './sandbox-handle.js';
import { type SandboxLabels, toMetadata } from './sandbox-labels.js';
import { checkLimits, readLimits } from './sandbox-limits.js';
import type { SessionServices } from './session-services.js';
import { defaultLifetimeMs } from './session-settings.js';
import { NotReady } from './wait-until-ready.js';

/** How long a platform may take to list what it has created. */
const listedWithinMs = 10_000;

/** A sandbox whose agent answers; or the one that another caller made under the same name, and earlier. */
export type Provisioned = { row: SandboxRecord; sandbox: SandboxHandle } | { winner: SandboxRecord };

/**
 * Makes a sandbox from a template and has its agent answer. Whatever goes wrong, nothing is left behind.
 *
 * @param sameName - By which metadata the platform lists all sandboxes of this name, for one that has a name.
 */
export async function provisionSandbox(
  services: SessionServices,
  orphans: Orphans,
  templateId: string,
  options: CreateSessionOptions,
  sameName: Record<string, string> | undefined,
  signal: AbortSignal,
): Promise<Provisioned> {
  const { config = {}, metadata = {} } = options;
  const { platform, templates, sandboxes } = services;
  const limits = readLimits(config);
  const lifetimeMs = options.lifetimeMs ?? config.lifetimeMs ?? defaultLifetimeMs;
  const labels: SandboxLabels = {
    createId: crypto.randomUUID(),
    template: templateId,
    port: config.ports?.[0] ?? agentPort,
    lifetimeMs,
    runtimeSessionId: options.runtimeSessionId,
    idempotencyKey: options.idempotencyKey,
  };
  const envVars = { ...config.envVars, ...options.envVars };
  // Both at once: most sandboxes take longer to make than their template to look up.
  const agent = findAgentConfig(templates, templateId);
  agent.catch(() => {});
  const plan = { labels, config: { ...config, envVars }, limits, metadata, lifetimeMs };
  const created = await createSandbox(platform, orphans, plan, signal);
  const { sandboxId } = created;

  const findWinner = async (): Promise<SandboxRecord | undefined> => {
    if (!sameName) return undefined;
    const [oldest] = await listWith(sandboxId, () => sandboxes.list(sameName, signal), signal);
    return oldest?.sandboxId === sandboxId ? undefined : oldest;
  };
  try {
    const row = newRow(created, templateId, toMetadata(metadata, labels), lifetimeMs);
    const sandbox = new SandboxHandle(services, row);
    sandbox.adopt(created);
    if (config.memoryLimit !== undefined || config.cpuLimit !== undefined)
      checkLimits(limits, await sandboxes.limits(sandboxId, signal), sandboxId);
    let winner = await findWinner();
    if (!winner) {
      const readyTimeoutMs = options.readyTimeoutMs ?? services.readyTimeoutMs;
      await ensureAgentReady({
        target: sandbox,
        sandbox: created,
        agent: await agent,
        readyTimeoutMs,
        signal,
      });
      sandbox.markAgentReady();
      // Again, for a platform whose list lags behind what it creates.
      winner = await findWinner();
    }
    if (!winner) return { row, sandbox };
    await orphans.kill(labels.createId, sandboxId);
    return { winner };
  } catch (error) {
    await orphans.kill(labels.createId, sandboxId);
    throw toCreationError(error, services.platform, sandboxId, signal);
  }
}

/**
 * Lists until a sandbox that is there is listed too. Only then is it known whether it is the oldest: of two callers
 * who each saw the other's sandbox and not their own, both would give way.
 */
async function listWith(
  sandboxId: string,
  list: () => Promise<SandboxRecord[]>,
  signal: AbortSignal,
): Promise<SandboxRecord[]> {
  const deadline = performance.now() + listedWithinMs;
  for (let delayMs = 20; ; delayMs = Math.min(delayMs * 1.5, 500)) {
    const rows = await list();
    if (rows.some((row) => row.sandboxId === sandboxId)) return rows;
    if (performance.now() + delayMs >= deadline) {
      const message = `The platform does not list sandbox ${sandboxId} ${listedWithinMs / 1000} s after creating it, so nobody can tell whether there is another one of its name.`;
      throw new SandboxCreationError(message, { sandboxId, retryable: true });
    }
    await sleep(delayMs, signal);
  }
}

/** What the platform would say of the sandbox, without asking it. */
function newRow(
  { sandboxId }: Sandbox,
  templateId: string,
  metadata: Record<string, string>,
  lifetimeMs: number,
): SandboxRecord {
  const startedAt = new Date();
  const endAt = new Date(startedAt.getTime() + lifetimeMs);
  return { sandboxId, templateId, metadata, startedAt, endAt, state: 'running' };
}

function toCreationError(
  error: unknown,
  platform: Platform,
  sandboxId: string,
  signal: AbortSignal,
): unknown {
  if (error instanceof NotReady) {
    const { message, lastPing, log } = error;
    return new SandboxCreationError(message, { sandboxId, lastPing, log });
  }
  const doing = `start the agent in sandbox ${sandboxId}`;
  const failed = SandboxCreationError;
  return translate(error, { doing, notFound: failed, failed, sandboxId, signal }, platform);
}
