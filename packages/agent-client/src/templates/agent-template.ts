import { type AgentConfig, agentConfigSchema } from '@sandpiper/protocol';
import * as z from 'zod';

/** A sandbox template, with what it says about the agent in it. */
export interface AgentTemplate {
  templateId: string;
  /** The platform's name for it, else the agent's, else the id. */
  name: string;
  /** The agent's version. */
  version?: string;
  /** The agent's description. */
  description?: string;
  /** The agent's author. */
  author?: string;
  tags: string[];
  createdAt: Date;
  updatedAt: Date;
  /** The state of its last build: `ready`, `building`, `waiting`, `error`, `uploaded`. */
  status: string;
  /** What was stored with the template; `metadata.agent` is the agent's configuration. */
  metadata: Record<string, unknown>;
  /** The agent's configuration, when there is one that is whole. */
  agent?: AgentConfig;
  /** Bytes on disk. */
  sizeBytes?: number;
  /** How long the last build took, in seconds. E2B's own list does not say; `getTemplate` does. */
  buildTimeSeconds?: number;
  dependencies: string[];
  runtimeInfo?: Record<string, unknown>;
}

/** A list says these of the template, a look at one template of each of its builds. */
const resourcesShape = {
  diskSizeMB: z.number().nullish(),
  cpuCount: z.number().nullish(),
  memoryMB: z.number().nullish(),
  envdVersion: z.string().nullish(),
};

const buildSchema = z.looseObject({
  status: z.string(),
  createdAt: z.coerce.date(),
  finishedAt: z.coerce.date().nullish(),
  ...resourcesShape,
});

/** What E2B's API answers, in the list and for one template, with what our host and PPIO add. */
const wireSchema = z.looseObject({
  templateID: z.string(),
  names: z.array(z.string()).optional(),
  aliases: z.array(z.string()).optional(),
  tags: z.array(z.string()).optional(),
  createdAt: z.coerce.date().optional(),
  updatedAt: z.coerce.date().optional(),
  buildStatus: z.string().optional(),
  builds: z.array(buildSchema).optional(),
  ...resourcesShape,
  metadata: z.record(z.string(), z.unknown()).optional(),
});

/** @throws ZodError when the platform's answer is no template. */
export function toTemplate(wire: unknown): AgentTemplate {
  const row = wireSchema.parse(wire);
  const metadata = row.metadata ?? {};
  const agent = agentOf(metadata);
  // Platforms order them differently.
  const build = row.builds?.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0];
  const { diskSizeMB, cpuCount, memoryMB, envdVersion } = row.cpuCount == null ? (build ?? row) : row;
  const name = row.names?.[0] ?? row.aliases?.[0] ?? agent?.metadata.name ?? row.templateID;
  const createdAt = row.createdAt ?? new Date(0);
  return {
    templateId: row.templateID,
    name,
    tags: row.tags ?? z.array(z.string()).safeParse(metadata.tags).data ?? [],
    createdAt,
    updatedAt: row.updatedAt ?? createdAt,
    status: row.buildStatus ?? build?.status ?? 'ready',
    metadata,
    dependencies: z.array(z.string()).safeParse(metadata.dependencies).data ?? [],
    ...(agent && { agent, version: agent.metadata.version, author: agent.metadata.author }),
    ...(agent?.metadata.description !== undefined && { description: agent.metadata.description }),
    ...(diskSizeMB != null && { sizeBytes: diskSizeMB * 1024 * 1024 }),
    ...(build?.finishedAt && {
      buildTimeSeconds: (build.finishedAt.getTime() - build.createdAt.getTime()) / 1000,
    }),
    ...(cpuCount != null && { runtimeInfo: { cpuCount, memoryMB, envdVersion } }),
  };
}

/** Both spellings there are: the configuration itself, and the same as JSON text where metadata holds texts only. */
function agentOf(metadata: Record<string, unknown>): AgentConfig | undefined {
  if (metadata.agent !== undefined) return agentConfigSchema.safeParse(metadata.agent).data;
  if (typeof metadata.agent_runtime !== 'string') return undefined;
  try {
    return agentConfigSchema.safeParse(JSON.parse(metadata.agent_runtime)).data;
  } catch {
    return undefined;
  }
}
