import * as z from 'zod';
import { envdVersion } from '../../envd/envd.js';
import { type Build, type BuildLogEntry, logLevels, type Template } from '../../templates/template.js';
import { diskOf } from '../../templates/template-policy.js';
import { moment, schemaNames } from '../schemas.js';

interface CommonView {
  templateID: string;
  names: string[];
  aliases: string[];
  public: boolean;
  createdAt: string | Date;
  updatedAt: string | Date;
  lastSpawnedAt: string | Date | null;
  spawnCount: number;
  metadata: Record<string, unknown>;
}

interface BuildView {
  buildID: string;
  status: Build['status'];
  createdAt: string | Date;
  updatedAt: string | Date;
  finishedAt?: string | Date | undefined;
  cpuCount: number;
  memoryMB: number;
  diskSizeMB: number;
  envdVersion: string;
}

/** A template in a list. */
export interface TemplateView extends CommonView {
  buildID: string;
  buildStatus: Build['status'];
  buildCount: number;
  cpuCount: number;
  memoryMB: number;
  diskSizeMB: number;
  envdVersion: string;
  createdBy: null;
  builds: BuildView[];
}

/** A template with all of its builds. */
export interface TemplateWithBuildsView extends CommonView {
  builds: BuildView[];
}

const texts = z.array(z.string());
export const statusSchema: z.ZodType<Build['status']> = z.enum(['waiting', 'building', 'ready', 'error']);
const buildSchema = z
  .object({
    buildID: z.string(),
    status: statusSchema,
    createdAt: moment,
    updatedAt: moment,
    finishedAt: moment.optional(),
    cpuCount: z.int(),
    memoryMB: z.int(),
    diskSizeMB: z.int(),
    envdVersion: z.string(),
  })
  .register(schemaNames, { id: 'Build' });
const commonObject = z.object({
  templateID: z.string(),
  names: texts,
  aliases: texts,
  public: z.boolean(),
  createdAt: moment,
  updatedAt: moment,
  lastSpawnedAt: moment.nullable(),
  spawnCount: z.int(),
  metadata: z.record(z.string(), z.unknown()),
});
export const templateSchema: z.ZodType<TemplateView> = commonObject
  .extend({
    buildID: z.string(),
    buildStatus: statusSchema,
    buildCount: z.int(),
    cpuCount: z.int(),
    memoryMB: z.int(),
    diskSizeMB: z.int(),
    envdVersion: z.string(),
    createdBy: z.null(),
    builds: z.array(buildSchema),
  })
  .register(schemaNames, { id: 'Template' });
export const templateWithBuildsSchema: z.ZodType<TemplateWithBuildsView> = commonObject
  .extend({ builds: z.array(buildSchema) })
  .register(schemaNames, { id: 'TemplateWithBuilds' });
/** A line of a build's log. */
export const buildLogSchema: z.ZodType<BuildLogEntry> = z
  .object({ timestamp: z.iso.datetime(), level: z.enum(logLevels), message: z.string() })
  .register(schemaNames, { id: 'BuildLogEntry' });

function latest(template: Template): Build {
  const build = template.builds.at(-1);
  if (!build) throw new Error('A template has no build.');
  return build;
}

function common(template: Template): CommonView {
  return {
    templateID: template.templateID,
    names: template.names,
    aliases: template.names,
    public: template.public,
    createdAt: template.createdAt,
    updatedAt: template.updatedAt,
    lastSpawnedAt: template.lastSpawnedAt ?? null,
    spawnCount: template.spawnCount,
    metadata: template.metadata,
  };
}

export function summary(template: Template): TemplateView {
  const build = latest(template);
  return {
    ...common(template),
    buildID: build.buildID,
    buildStatus: build.status,
    buildCount: template.builds.length,
    cpuCount: build.cpuCount,
    memoryMB: build.memoryMB,
    diskSizeMB: diskOf(template, build),
    envdVersion,
    createdBy: null,
    // Ours: what a list says of a template is to be no less than what a look at it says.
    builds: [buildView(template, build)],
  };
}

export function withBuilds(template: Template): TemplateWithBuildsView {
  return {
    ...common(template),
    builds: template.builds.map((build) => buildView(template, build)),
  };
}

function buildView(template: Template, build: Build): BuildView {
  return {
    buildID: build.buildID,
    status: build.status,
    createdAt: build.createdAt,
    updatedAt: build.finishedAt ?? build.createdAt,
    finishedAt: build.finishedAt,
    cpuCount: build.cpuCount,
    memoryMB: build.memoryMB,
    diskSizeMB: diskOf(template, build),
    envdVersion,
  };
}
