import { defaultDiskMB } from '@sandpiper/sandbox-engine/disk-limit';
import type { Image } from '@sandpiper/sandbox-engine/engine';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import * as z from 'zod';

/** How much a line of a log matters, least first. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** A line of a build's log. */
export interface BuildLogEntry {
  timestamp: string;
  level: (typeof logLevels)[number];
  message: string;
}

/** What a finished build hands to sandboxes. */
export interface BuildResult {
  image: Image;
  envs: Record<string, string>;
  workdir: string;
  user: SandboxUser;
  startCmd?: string | undefined;
  readyCmd?: string | undefined;
}

/** What sandboxes of a build get. */
export interface Resources {
  cpuCount: number;
  memoryMB: number;
  diskMB: number;
}

/** One attempt to make a template's contents. */
export interface Build extends Resources {
  buildID: string;
  status: 'waiting' | 'building' | 'ready' | 'error';
  /** The tags that will name it once it is ready. */
  tags: string[];
  createdAt: string;
  finishedAt?: string | undefined;
  reason?: { message: string; step?: string | undefined } | undefined;
  result?: BuildResult | undefined;
}

/** Something sandboxes are made from, by a name and an id. */
export interface Template {
  templateID: string;
  names: string[];
  createdAt: string;
  updatedAt: string;
  public: boolean;
  spawnCount: number;
  lastSpawnedAt?: string | undefined;
  builds: Build[];
  /** Which build a tag means. */
  tags: Record<string, { buildID: string; createdAt: string }>;
  /** Whatever the deployer says about it; an agent's config lies under `agent_runtime`. */
  metadata: Record<string, unknown>;
  /** The sandbox it is a snapshot of, if it is one. */
  snapshotOf?: string | undefined;
}

const buildSchema: z.ZodType<Build> = z.object({
  buildID: z.string(),
  status: z.enum(['waiting', 'building', 'ready', 'error']),
  tags: z.array(z.string()),
  createdAt: z.string(),
  finishedAt: z.string().optional(),
  cpuCount: z.number(),
  memoryMB: z.number(),
  // Those of hosts before there was a limit.
  diskMB: z.number().default(defaultDiskMB),
  reason: z.object({ message: z.string(), step: z.string().optional() }).optional(),
  result: z
    .object({
      image: z.object({ layers: z.array(z.string()) }),
      envs: z.record(z.string(), z.string()),
      workdir: z.string(),
      user: z.enum(['user', 'root']),
      startCmd: z.string().optional(),
      readyCmd: z.string().optional(),
    })
    .optional(),
});

/** Checks a template that comes from a file. */
export const templateSchema: z.ZodType<Template> = z.object({
  templateID: z.string(),
  names: z.array(z.string()),
  createdAt: z.string(),
  updatedAt: z.string(),
  public: z.boolean(),
  spawnCount: z.number(),
  lastSpawnedAt: z.string().optional(),
  builds: z.array(buildSchema),
  tags: z.record(z.string(), z.object({ buildID: z.string(), createdAt: z.string() })),
  metadata: z.record(z.string(), z.unknown()),
  snapshotOf: z.string().optional(),
});
