import { Sandbox } from 'e2b';
import { SandboxCreationError } from '../errors/sandbox-creation-error.js';
import { TemplateNotFoundError } from '../errors/template-not-found-error.js';
import type { Platform } from '../platform/platform.js';
import { translate } from '../platform/platform-error.js';
import { abortable } from './abortable.js';
import type { Orphans } from './orphans.js';
import type { SandboxConfig } from './sandbox-config.js';
import { type SandboxLabels, toMetadata } from './sandbox-labels.js';
import { limitHeaders, type SandboxLimits } from './sandbox-limits.js';

/** A sandbox to be made. */
export interface SandboxPlan {
  labels: SandboxLabels;
  config: SandboxConfig;
  limits: SandboxLimits;
  metadata: Record<string, string>;
  lifetimeMs: number;
}

/**
 * Has the platform make a sandbox. The request is never cut short, for then nobody would know what became of it: a
 * caller who gives up leaves at once, and what is made for nobody is killed.
 */
export async function createSandbox(
  platform: Platform,
  orphans: Orphans,
  plan: SandboxPlan,
  signal: AbortSignal | undefined,
): Promise<Sandbox> {
  const { labels, config, limits, lifetimeMs } = plan;
  signal?.throwIfAborted();
  const options = platform.options();
  const creating = Sandbox.create(labels.template, {
    ...options,
    apiHeaders: { ...options.apiHeaders, ...limitHeaders(limits) },
    timeoutMs: lifetimeMs,
    metadata: toMetadata(plan.metadata, labels),
    envs: config.envVars ?? {},
    ...(config.volumes && {
      volumeMounts: Object.fromEntries(config.volumes.map(({ name, path }) => [path, name])),
    }),
  });
  try {
    return await abortable(creating, signal);
  } catch (error) {
    orphans.watch(labels.createId, creating);
    throw translate(
      error,
      {
        doing: `create a sandbox from template ${labels.template}`,
        notFound: TemplateNotFoundError,
        failed: SandboxCreationError,
        signal,
      },
      platform,
    );
  }
}
