import type { Capabilities } from '@sandpiper/sandbox-engine/engine';
import { envdVersion } from '../../envd/envd.js';
import type { Sandbox } from '../../sandboxes/sandbox.js';

/** To callers a sandbox either runs or is paused. */
export function publicState(sandbox: Sandbox): 'running' | 'paused' {
  return sandbox.isPaused ? 'paused' : 'running';
}

/** What creating or connecting answers with. */
export function created(sandbox: Sandbox): Record<string, unknown> {
  return {
    sandboxID: sandbox.id,
    templateID: sandbox.settings.templateId,
    alias: sandbox.settings.alias,
    clientID: 'local',
    envdVersion,
    envdAccessToken: sandbox.accessToken,
    trafficAccessToken: sandbox.trafficToken,
    domain: sandbox.platform.domain,
  };
}

/** A sandbox in a list. */
export function listed(sandbox: Sandbox): Record<string, unknown> {
  const { settings } = sandbox;
  return {
    sandboxID: sandbox.id,
    templateID: settings.templateId,
    alias: settings.alias,
    clientID: 'local',
    startedAt: sandbox.startedAt.toISOString(),
    endAt: sandbox.endAt.toISOString(),
    // E2B counts whole processors; `limits` of one sandbox has the share.
    cpuCount: Math.ceil(settings.cpuCount),
    memoryMB: settings.memoryMB,
    diskSizeMB: settings.diskMB,
    metadata: settings.metadata,
    volumeMounts: settings.volumes.map(({ name, path }) => ({ name, path })),
    state: publicState(sandbox),
    envdVersion,
  };
}

/** Everything that is told about one sandbox. */
export function detailed(sandbox: Sandbox, capabilities: Capabilities): Record<string, unknown> {
  const { settings } = sandbox;
  return {
    ...listed(sandbox),
    envdAccessToken: sandbox.accessToken,
    domain: sandbox.platform.domain,
    allowInternetAccess: settings.allowInternetAccess,
    network: settings.network,
    limits: sandbox.limits,
    capabilities,
    lifecycle: { onTimeout: settings.autoPause ? 'pause' : 'kill', autoResume: settings.autoResume },
  };
}
