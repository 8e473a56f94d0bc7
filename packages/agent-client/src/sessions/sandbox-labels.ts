import { agentPort } from '@sandpiper/protocol';

/** What this package writes into a sandbox's metadata, so that any process finds it again by them. */
const keys = {
  createdBy: 'sandpiper_created_by',
  createId: 'sandpiper_create_id',
  template: 'sandpiper_template',
  port: 'sandpiper_port',
  lifetimeMs: 'sandpiper_lifetime_ms',
  runtimeSessionId: 'sandpiper_runtime_session_id',
  idempotencyKey: 'sandpiper_idempotency_key',
} as const;

const createdBy = 'agent-client';

/** The labels of one sandbox. */
export interface SandboxLabels {
  /** The attempt to create it; how a sandbox is found whose id never arrived. */
  createId: string;
  /** The template, as the caller named it. */
  template: string;
  /** The agent's port. */
  port: number;
  /** How long it is to live after creation, a refresh or a resume; undefined for a sandbox that others made. */
  lifetimeMs?: number | undefined;
  runtimeSessionId?: string | undefined;
  idempotencyKey?: string | undefined;
}

/** Metadata that every sandbox of this package has, and only they. */
export const ownSandboxes: Record<string, string> = { [keys.createdBy]: createdBy };

/** The metadata by which sandboxes with all the given labels are listed. */
export function labelFilter(labels: Partial<SandboxLabels>): Record<string, string> {
  return {
    ...ownSandboxes,
    ...(labels.createId !== undefined && { [keys.createId]: labels.createId }),
    ...(labels.runtimeSessionId !== undefined && { [keys.runtimeSessionId]: labels.runtimeSessionId }),
    ...(labels.idempotencyKey !== undefined && { [keys.idempotencyKey]: labels.idempotencyKey }),
  };
}

/** The metadata of a new sandbox: the caller's own, then the labels, which the caller cannot override. */
export function toMetadata(own: Record<string, string>, labels: SandboxLabels): Record<string, string> {
  return {
    ...own,
    ...labelFilter(labels),
    [keys.template]: labels.template,
    [keys.port]: String(labels.port),
    ...(labels.lifetimeMs !== undefined && { [keys.lifetimeMs]: String(labels.lifetimeMs) }),
  };
}

/** Reads the labels of a sandbox, of whichever process it is. */
export function readLabels(metadata: Record<string, string>, templateId: string): SandboxLabels {
  return {
    createId: metadata[keys.createId] ?? '',
    template: metadata[keys.template] ?? templateId,
    port: Number(metadata[keys.port] ?? agentPort),
    lifetimeMs: Number(metadata[keys.lifetimeMs]) || undefined,
    runtimeSessionId: metadata[keys.runtimeSessionId],
    idempotencyKey: metadata[keys.idempotencyKey],
  };
}

/** The caller's own metadata, without the labels. */
export function withoutLabels(metadata: Record<string, string>): Record<string, string> {
  const own: string[] = Object.values(keys);
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !own.includes(key)));
}
