import * as z from 'zod';
import { extraFields } from './extensions.js';

// The schemas of E2B's public OpenAPI documents (e2b-dev/infra: spec/openapi.yml and packages/envd/spec/envd.yaml, with
// what SDK 2.51 was generated from) as far as responses have them, read and written down.

type Shape = Record<string, z.ZodType>;

/** An object with the fields of a schema, all of them known. */
function object(name: string, shape: Shape): z.ZodType {
  const extras = (extraFields[name] ?? []).map((field) => [field, z.unknown().optional()]);
  return z.strictObject({ ...shape, ...Object.fromEntries(extras) });
}

const text = z.string();
const flag = z.boolean();
const uuid = z.uuid();
const dateTime = z.iso.datetime({ offset: true });
const int32 = z.int32();
const int64 = z.int();
const uint32 = z.uint32();
const texts = z.array(text);
const textMap = z.record(text, text);

const cpuCount = int32.min(1);
const memoryMB = int32.min(128);
const diskSizeMB = int32.min(0);
const logLevel = z.enum(['debug', 'info', 'warn', 'error']);
const buildStatus = z.enum(['building', 'waiting', 'ready', 'error']);
const volumeMounts = z.array(object('SandboxVolumeMount', { name: text, path: text }));

export const error: z.ZodType<{ code: number; message: string }> = z.strictObject({
  code: int32,
  message: text.min(1),
  error_code: text.optional(),
  // What E2B's proxy in front of sandboxes adds, which no document has.
  sandboxId: text.optional(),
  port: z.int().optional(),
});

export const sandbox: z.ZodType = object('Sandbox', {
  templateID: text,
  sandboxID: text,
  clientID: text,
  envdVersion: text,
  alias: text.optional(),
  envdAccessToken: text.optional(),
  trafficAccessToken: text.nullish(),
  domain: text.nullish(),
});

const listedFields: Shape = {
  templateID: text,
  sandboxID: text,
  clientID: text,
  startedAt: dateTime,
  endAt: dateTime,
  cpuCount,
  memoryMB,
  diskSizeMB,
  state: z.enum(['running', 'paused']),
  envdVersion: text,
  alias: text.optional(),
  metadata: textMap.optional(),
  volumeMounts: volumeMounts.optional(),
};
export const listedSandbox: z.ZodType = object('ListedSandbox', listedFields);

export const sandboxDetail: z.ZodType = object('SandboxDetail', {
  ...listedFields,
  envdAccessToken: text.optional(),
  allowInternetAccess: flag.nullish(),
  domain: text.nullish(),
  lifecycle: object('SandboxLifecycle', {
    autoResume: flag,
    onTimeout: z.enum(['kill', 'pause']),
  }).optional(),
  network: object('SandboxNetworkConfig', {
    allowPublicTraffic: flag.optional(),
    allowOut: texts.optional(),
    denyOut: texts.optional(),
    maskRequestHost: text.optional(),
    httpsPorts: z.array(z.int()).optional(),
    egressProxy: z.unknown().optional(),
    rules: z.record(text, z.array(z.unknown())).optional(),
  }).optional(),
});

const metricFields: Shape = {
  timestamp: dateTime,
  timestampUnix: int64,
  cpuCount: int32,
  cpuUsedPct: z.number(),
  memUsed: int64,
  memTotal: int64,
  memCache: int64,
  diskUsed: int64,
  diskTotal: int64,
};
export const sandboxMetric: z.ZodType = object('SandboxMetric', metricFields);
export const sandboxesWithMetrics: z.ZodType = object('SandboxesWithMetrics', {
  sandboxes: z.record(text, sandboxMetric),
});

const sandboxLogEntry = object('SandboxLogEntry', {
  timestamp: dateTime,
  level: logLevel,
  message: text,
  fields: textMap,
});
export const sandboxLogs: z.ZodType = object('SandboxLogs', {
  logs: z.array(object('SandboxLog', { timestamp: dateTime, line: text })),
  logEntries: z.array(sandboxLogEntry),
});
export const sandboxLogsV2: z.ZodType = object('SandboxLogsV2Response', { logs: z.array(sandboxLogEntry) });

export const snapshotInfo: z.ZodType = object('SnapshotInfo', { snapshotID: text, names: texts });
export const forkResult: z.ZodType = object('SandboxForkResult', {
  sandbox: sandbox.optional(),
  error: error.optional(),
});

const templateFields: Shape = {
  templateID: text,
  public: flag,
  aliases: texts,
  names: texts,
  createdAt: dateTime,
  updatedAt: dateTime,
  lastSpawnedAt: dateTime.nullable(),
  spawnCount: int64,
};
export const template: z.ZodType = object('Template', {
  ...templateFields,
  buildID: text,
  cpuCount,
  memoryMB,
  diskSizeMB,
  createdBy: object('TeamUser', { id: uuid, email: text.nullable() }).nullable(),
  buildCount: int32,
  envdVersion: text,
  buildStatus,
});
export const templateWithBuilds: z.ZodType = object('TemplateWithBuilds', {
  ...templateFields,
  builds: z.array(
    object('TemplateBuild', {
      buildID: uuid,
      status: buildStatus,
      createdAt: dateTime,
      updatedAt: dateTime,
      finishedAt: dateTime.optional(),
      cpuCount,
      memoryMB,
      diskSizeMB: diskSizeMB.optional(),
      envdVersion: text.optional(),
    }),
  ),
});
export const requestedBuild: z.ZodType = object('TemplateRequestResponseV3', {
  templateID: text,
  buildID: text,
  public: flag,
  aliases: texts,
  names: texts,
  tags: texts,
});
export const templateAlias: z.ZodType = object('TemplateAliasResponse', { templateID: text, public: flag });
export const templateUpdate: z.ZodType = object('TemplateUpdateResponse', { names: texts });
export const fileUpload: z.ZodType = object('TemplateBuildFileUpload', {
  present: flag,
  url: text.optional(),
  headers: textMap.optional(),
});

const buildLogEntry = object('BuildLogEntry', {
  timestamp: dateTime,
  message: text,
  level: logLevel,
  step: text.optional(),
});
export const buildInfo: z.ZodType = object('TemplateBuildInfo', {
  templateID: text,
  buildID: text,
  status: buildStatus,
  logs: texts,
  logEntries: z.array(buildLogEntry),
  reason: object('BuildStatusReason', {
    message: text,
    step: text.optional(),
    logEntries: z.array(buildLogEntry).optional(),
  }).optional(),
});
export const buildLogs: z.ZodType = object('TemplateBuildLogsResponse', { logs: z.array(buildLogEntry) });

export const assignedTags: z.ZodType = object('AssignedTemplateTags', { tags: texts, buildID: uuid });
export const templateTag: z.ZodType = object('TemplateTag', {
  tag: text,
  buildID: uuid,
  createdAt: dateTime,
});

const volumeFields: Shape = { volumeID: text, name: text };
export const volume: z.ZodType = object('Volume', volumeFields);
export const volumeAndToken: z.ZodType = object('VolumeAndToken', {
  ...volumeFields,
  token: text,
  domain: text.optional(),
});
export const volumeEntry: z.ZodType = object('VolumeEntryStat', {
  name: text,
  path: text,
  type: z.enum(['unknown', 'file', 'directory', 'symlink']),
  size: int64,
  mode: uint32,
  uid: uint32,
  gid: uint32,
  atime: dateTime,
  ctime: dateTime,
  mtime: dateTime,
  target: text.optional(),
});

export const envVars: z.ZodType = textMap;
export const entryInfo: z.ZodType = object('EntryInfo', {
  path: text,
  name: text,
  type: z.enum(['file']),
  metadata: textMap.optional(),
});
export const envdMetrics: z.ZodType = object('Metrics', {
  ts: int64.optional(),
  cpu_count: z.int().optional(),
  cpu_used_pct: z.number().optional(),
  mem_total: z.int().optional(),
  mem_used: z.int().optional(),
  mem_cache: z.int().optional(),
  mem_total_mib: z.int().optional(),
  mem_used_mib: z.int().optional(),
  disk_used: z.int().optional(),
  disk_total: z.int().optional(),
});
