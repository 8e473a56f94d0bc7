import { defaultDiskMB } from '@sandpiper/sandbox-engine/disk-limit';
import type { Image } from '@sandpiper/sandbox-engine/engine';
import * as z from 'zod';
import type { SandboxState } from '../events/lifecycle-events.js';
import type { IdlePolicy } from './deadlines.js';
import type { SandboxSettings } from './sandbox-settings.js';

/** What is kept of a sandbox, so that a host that is started again goes on with it. */
export interface SandboxRecord {
  id: string;
  image: Image;
  settings: SandboxSettings;
  /** Opens the sandbox's own API. */
  accessToken?: string | undefined;
  /** Opens ports that are not public. */
  trafficToken?: string | undefined;
  state: SandboxState;
  /** Unix milliseconds, as the other times. */
  startedAt: number;
  stateSince: number;
  endAt: number;
  /** Since when the timeout does not run, if it does not. */
  stoppedAt?: number | undefined;
  /** Whether its processes are kept while it is paused, and not only its files. */
  keepsMemory: boolean;
  /** Whether the host put it to sleep by itself, so that a request wakes it. */
  wakesOnRequest: boolean;
  /** Its own policy, `null` for none; without one the host's counts. */
  idle?: IdlePolicy | null | undefined;
}

const settingsSchema: z.ZodType<SandboxSettings> = z.object({
  templateId: z.string(),
  alias: z.string().optional(),
  metadata: z.record(z.string(), z.string()),
  envs: z.record(z.string(), z.string()),
  workdir: z.string(),
  user: z.enum(['user', 'root']),
  timeoutMs: z.number(),
  autoPause: z.boolean(),
  autoPauseMemory: z.boolean(),
  autoResume: z.boolean(),
  network: z.object({
    allowOut: z.array(z.string()).optional(),
    denyOut: z.array(z.string()).optional(),
    allowPublicTraffic: z.boolean().optional(),
    maskRequestHost: z.string().optional(),
    httpsPorts: z.array(z.number()).optional(),
  }),
  allowInternetAccess: z.boolean().optional(),
  volumes: z.array(z.object({ id: z.string(), name: z.string(), path: z.string() })).default([]),
  secure: z.boolean(),
  cpuCount: z.number(),
  memoryMB: z.number(),
  // Those of hosts before there was a limit.
  diskMB: z.number().default(defaultDiskMB),
  start: z.object({ startCmd: z.string(), readyCmd: z.string().optional() }).optional(),
  listed: z.boolean(),
});

/** Every state of a sandbox. */
export const stateSchema: z.ZodType<SandboxState> = z.enum([
  'creating',
  'running',
  'pausing',
  'paused',
  'hibernated',
  'resuming',
  'killing',
  'gone',
]);

/** Checks a sandbox that comes from a file. */
export const sandboxRecordSchema: z.ZodType<SandboxRecord> = z.object({
  id: z.string(),
  image: z.object({ layers: z.array(z.string()) }),
  settings: settingsSchema,
  accessToken: z.string().optional(),
  trafficToken: z.string().optional(),
  state: stateSchema,
  startedAt: z.number(),
  stateSince: z.number(),
  endAt: z.number(),
  stoppedAt: z.number().optional(),
  keepsMemory: z.boolean(),
  wakesOnRequest: z.boolean(),
  idle: z
    .object({ idleMs: z.number(), action: z.enum(['pause', 'kill', 'hibernate']) })
    .nullable()
    .optional(),
});
