import type { Capabilities, Limits } from '@sandpiper/sandbox-engine/engine';
import * as z from 'zod';
import { envdVersion } from '../../envd/envd.js';
import type { Sandbox } from '../../sandboxes/sandbox.js';
import type { NetworkRules } from '../../sandboxes/sandbox-settings.js';
import { moment, schemaNames } from '../schemas.js';

/** A sandbox, as creating it and connecting to it respond. */
export interface SandboxView {
  sandboxID: string;
  templateID: string;
  alias?: string | undefined;
  clientID: string;
  envdVersion: string;
  envdAccessToken?: string | undefined;
  trafficAccessToken?: string | undefined;
  domain?: string | undefined;
}

/** A sandbox in a list. */
export interface ListedView {
  sandboxID: string;
  templateID: string;
  alias?: string | undefined;
  clientID: string;
  startedAt: string | Date;
  endAt: string | Date;
  cpuCount: number;
  memoryMB: number;
  diskSizeMB: number;
  metadata: Record<string, string>;
  volumeMounts: { name: string; path: string }[];
  state: 'running' | 'paused';
  envdVersion: string;
}

/** Everything about one sandbox. */
export interface DetailedView extends ListedView {
  envdAccessToken?: string | undefined;
  domain?: string | undefined;
  allowInternetAccess?: boolean | undefined;
  network: NetworkRules;
  limits?: { [Limit in keyof Limits]?: Limits[Limit] | undefined } | undefined;
  capabilities: Capabilities;
  lifecycle: { onTimeout: 'pause' | 'kill'; autoResume: boolean };
}

export const createdSchema: z.ZodType<SandboxView> = z
  .object({
    sandboxID: z.string(),
    templateID: z.string(),
    alias: z.string().optional(),
    clientID: z.string(),
    envdVersion: z.string(),
    envdAccessToken: z.string().optional(),
    trafficAccessToken: z.string().optional(),
    domain: z.string().optional(),
  })
  .register(schemaNames, { id: 'Sandbox' });

const listedFields = {
  sandboxID: z.string(),
  templateID: z.string(),
  alias: z.string().optional(),
  clientID: z.string(),
  startedAt: moment,
  endAt: moment,
  cpuCount: z.int(),
  memoryMB: z.int(),
  diskSizeMB: z.int(),
  metadata: z.record(z.string(), z.string()),
  volumeMounts: z.array(z.object({ name: z.string(), path: z.string() })),
  state: z.enum(['running', 'paused']),
  envdVersion: z.string(),
};
export const listedSchema: z.ZodType<ListedView> = z
  .object(listedFields)
  .register(schemaNames, { id: 'ListedSandbox' });

const capability = z
  .object({ level: z.enum(['enforced', 'advisory', 'absent']), reason: z.string() })
  .register(schemaNames, { id: 'Capability' });
export const capabilitiesSchema: z.ZodType<Capabilities> = z
  .object({
    isolation: capability,
    limits: capability,
    disk: capability,
    network: capability,
    freeze: capability,
    hibernate: capability,
    checkpoint: capability,
  })
  .register(schemaNames, { id: 'Capabilities' });

export const detailedSchema: z.ZodType<DetailedView> = z
  .object({
    ...listedFields,
    envdAccessToken: z.string().optional(),
    domain: z.string().optional(),
    allowInternetAccess: z.boolean().optional(),
    network: z.object({
      allowOut: z.array(z.string()).optional(),
      denyOut: z.array(z.string()).optional(),
      allowPublicTraffic: z.boolean().optional(),
      maskRequestHost: z.string().optional(),
      httpsPorts: z.array(z.int()).optional(),
    }),
    limits: z
      .object({ cpuCount: z.number(), memoryMB: z.int(), pids: z.int(), diskMB: z.int() })
      .partial()
      .optional(),
    capabilities: capabilitiesSchema,
    lifecycle: z.object({ onTimeout: z.enum(['pause', 'kill']), autoResume: z.boolean() }),
  })
  .register(schemaNames, { id: 'SandboxDetail' });

/** To callers a sandbox either runs or is paused. */
export function publicState(sandbox: Sandbox): 'running' | 'paused' {
  return sandbox.isPaused ? 'paused' : 'running';
}

/** What creating or connecting answers with. */
export function created(sandbox: Sandbox): SandboxView {
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
export function listed(sandbox: Sandbox): ListedView {
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
export function detailed(sandbox: Sandbox, capabilities: Capabilities): DetailedView {
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
