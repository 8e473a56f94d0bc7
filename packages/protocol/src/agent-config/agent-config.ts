import * as z from 'zod';
import { parseCpu, parseMemory } from './quantity.js';

/** Who an agent is. */
export interface AgentMetadata {
  /** Lower-case letters, digits and hyphens. */
  name: string;
  version: string;
  /** The author's e-mail address. */
  author: string;
  description?: string | undefined;
  /** ISO 8601. */
  created?: string | undefined;
}

/** What an agent needs to run. */
export interface RuntimeSpec {
  /** How long the agent may take to start, in seconds, 1–3600. */
  timeout?: number | undefined;
  /** A Kubernetes quantity: `512Mi`, `1Gi`. */
  memory_limit?: string | undefined;
  /** A Kubernetes quantity: `500m`, `1`. */
  cpu_limit?: string | undefined;
}

/** Where an agent runs. */
export interface SandboxSpec {
  template_id?: string | undefined;
}

/** What an agent is made of. */
export interface AgentSpec {
  /** The file to start: `.ts`, `.mts`, `.js`, `.mjs` or `.py`. */
  entrypoint: string;
  runtime?: RuntimeSpec | undefined;
  sandbox?: SandboxSpec | undefined;
}

/** How far a deployment has come. */
export const DeploymentPhase = {
  Pending: 'pending',
  Building: 'building',
  Deployed: 'deployed',
  Failed: 'failed',
} as const;
export type DeploymentPhase = (typeof DeploymentPhase)[keyof typeof DeploymentPhase];

/** What the system knows about a deployment; written by it, never by hand. */
export interface AgentStatus {
  phase?: DeploymentPhase | undefined;
  template_id?: string | undefined;
  /** ISO 8601. */
  last_deployed?: string | undefined;
  build_id?: string | undefined;
}

/** The content of `agent.yaml` (docs/wire-protocol.md, "The agent.yaml file"), in the file's own spelling. */
export interface AgentConfig {
  apiVersion: 'v1';
  kind: 'Agent';
  metadata: AgentMetadata;
  spec: AgentSpec;
  status?: AgentStatus | undefined;
}

const memoryQuantity = z
  .string()
  .refine((text) => parseMemory(text) !== undefined, 'is not an amount of memory, such as 512Mi or 1Gi');

const cpuQuantity = z
  .string()
  .refine((text) => parseCpu(text) !== undefined, 'is not a share of processors, such as 500m or 1');

/** Checks the content of `agent.yaml`. An unknown key is an error: a misspelt limit must not pass for no limit. */
export const agentConfigSchema: z.ZodType<AgentConfig, unknown> = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Agent'),
  metadata: z.strictObject({
    name: z.string().regex(/^[a-z0-9-]+$/, 'may have lower-case letters, digits and hyphens only'),
    version: z.string().min(1),
    author: z.email('must be an e-mail address'),
    description: z.string().optional(),
    created: z.string().optional(),
  }),
  spec: z.strictObject({
    entrypoint: z.string().regex(/\.(ts|mts|js|mjs|py)$/, 'must be a .ts, .mts, .js, .mjs or .py file'),
    runtime: z
      .strictObject({
        timeout: z.int().min(1).max(3600).optional(),
        memory_limit: memoryQuantity.optional(),
        cpu_limit: cpuQuantity.optional(),
      })
      .optional(),
    sandbox: z.strictObject({ template_id: z.string().optional() }).optional(),
  }),
  status: z
    .strictObject({
      phase: z.enum(DeploymentPhase).optional(),
      template_id: z.string().optional(),
      last_deployed: z.string().optional(),
      build_id: z.string().optional(),
    })
    .optional(),
});
