import { variableName } from '@sandpiper/sandbox-engine/check-command';
import { diskMBSchema } from '@sandpiper/sandbox-engine/disk-limit';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import * as z from 'zod';
import type { BuildLogs } from '../../templates/build-logs.js';
import { type Build, logLevels, type Template } from '../../templates/template.js';
import type { TemplateBuilder } from '../../templates/template-builder.js';
import {
  defaultResources,
  defaultTag,
  parseReference,
  type TemplateCatalog,
  tagPattern,
} from '../../templates/template-catalog.js';
import { policyOf } from '../../templates/template-policy.js';
import type { UploadedFiles } from '../../templates/uploaded-files.js';
import { page, pageFields } from '../pages.js';
import { type Route, route } from '../route.js';
import { moment, schemaNames } from '../schemas.js';
import {
  buildLogSchema,
  statusSchema,
  summary,
  templateSchema,
  templateWithBuildsSchema,
  withBuilds,
} from './template-views.js';

const tagSchema = z.string().regex(tagPattern, 'may have letters, digits, ".", "_" and "-"');
/** What E2B's SDKs send and what means nothing here is taken by its name; everything else is refused. */
const ignored = z.unknown().optional();
const newBuildSchema = z.strictObject({
  name: z.string().optional(),
  alias: z.string().optional(),
  tags: z.array(tagSchema).max(64).optional(),
  cpuCount: z.int().min(1).max(64).optional(),
  memoryMB: z
    .int()
    .min(128)
    .max(1024 * 1024)
    .optional(),
  // As E2B calls it where it tells it; it cannot be asked for there.
  diskSizeMB: diskMBSchema.optional(),
  /** What has to be left on the disk; here what a template holds does not count. */
  minFreeDiskMb: z
    .int()
    .min(0)
    .max(diskMBSchema.maxValue ?? Number.MAX_SAFE_INTEGER)
    .optional(),
  // A host has one team.
  teamID: ignored,
});
const startBuildSchema = z.strictObject({
  fromImage: z.string().optional(),
  fromTemplate: z.string().optional(),
  // No registry is asked: a template stands for an image, or the image is refused.
  fromImageRegistry: ignored,
  startCmd: z.string().optional(),
  readyCmd: z.string().optional(),
  force: z.boolean().optional(),
  steps: z
    .array(
      z
        .strictObject({
          type: z.string(),
          args: z.array(z.string()).default([]),
          filesHash: z.string().optional(),
          force: z.boolean().optional(),
          // How the SDK has packed the files of a COPY, which the archive itself shows.
          forceUpload: ignored,
          resolveSymlinks: ignored,
          gzip: ignored,
        })
        .superRefine(({ type, args }, context) => {
          if (type.toUpperCase() !== 'ENV') return;
          for (let index = 0; index < args.length; index += 2) {
            const [name = '', value = ''] = args.slice(index, index + 2);
            const refuse = (at: number, message: string): void =>
              context.addIssue({ code: 'custom', path: ['args', at], message });
            if (!variableName.test(name))
              refuse(index, `${JSON.stringify(name)} cannot be the name of an environment variable`);
            if (value.includes('\0'))
              refuse(index + 1, `the environment variable "${name}" cannot hold a NUL character`);
          }
        }),
    )
    .max(1_000)
    .default([]),
});

const texts = z.array(z.string());
const requestedBuildSchema = z
  .object({
    templateID: z.string(),
    buildID: z.string(),
    public: z.boolean(),
    names: texts,
    aliases: texts,
    tags: texts,
  })
  .register(schemaNames, { id: 'RequestedBuild' });
const buildStatusSchema = z
  .object({
    templateID: z.string(),
    buildID: z.string(),
    status: statusSchema,
    logs: texts,
    logEntries: z.array(buildLogSchema),
    reason: z
      .object({ message: z.string(), step: z.string().optional(), logEntries: z.array(buildLogSchema) })
      .optional(),
  })
  .register(schemaNames, { id: 'BuildStatus' });
const templateTagSchema = z
  .object({ tag: z.string(), buildID: z.string(), createdAt: moment })
  .register(schemaNames, { id: 'TemplateTag' });

/** What the routes about templates work with. */
export interface TemplateServices {
  catalog: TemplateCatalog;
  builder: TemplateBuilder;
  logs: BuildLogs;
  /** Rejects when there is no room for another build. */
  requireRoom: () => Promise<void>;
  uploads: UploadedFiles;
  /** Where archives are to be sent, so that only who asked can. */
  uploadUrl: (templateId: string, hash: string) => string;
  /** Takes a template away, its images and uploads too. */
  remove: (template: Template) => Promise<void>;
}

/** The part of the control plane that is about templates. */
export function templateRoutes({
  catalog,
  builder,
  logs,
  requireRoom,
  uploads,
  uploadUrl,
  remove,
}: TemplateServices): Route[] {
  const template = (params: Record<string, string>): Template => catalog.get(params.templateID ?? '');
  const buildOf = (params: Record<string, string>): Build => {
    const build = template(params).builds.find((one) => one.buildID === params.buildID);
    if (!build) throw new HostError(404, `Build "${params.buildID}" was not found.`);
    return build;
  };
  return [
    route({
      method: 'get',
      path: '/templates',
      summary: 'List templates',
      responses: { 200: z.array(templateSchema) },
      handle: () => ({ body: catalog.list().map(summary) }),
    }),
    route({
      method: 'get',
      path: '/v2/templates',
      summary: 'List templates by pages',
      query: z.object(pageFields),
      responses: { 200: z.array(templateSchema) },
      handle: ({ query }) => page(catalog.list(), query, (one) => one.templateID, summary),
    }),
    // Before the paths with an id, which would take "tags" for one.
    route({
      method: 'post',
      path: '/templates/tags',
      summary: 'Give tags to the build another tag means',
      body: z.strictObject({ target: z.string(), tags: z.array(tagSchema).min(1).max(64) }),
      responses: { 201: z.object({ buildID: z.string(), tags: texts }) },
      handle: ({ body }) => {
        const { template: found, build } = catalog.resolve(body.target);
        catalog.tag(found, body.tags, build.buildID);
        return { body: { buildID: build.buildID, tags: body.tags } };
      },
    }),
    route({
      method: 'delete',
      path: '/templates/tags',
      summary: 'Take tags away',
      body: z.strictObject({ name: z.string(), tags: z.array(tagSchema).min(1).max(64) }),
      responses: { 204: undefined },
      handle: ({ body }) => {
        const found = catalog.get(body.name);
        if (found.names.includes('base'))
          throw new HostError(403, 'The template "base" belongs to the host and keeps its tags.');
        catalog.untag(found, body.tags);
        return {};
      },
    }),
    route({
      method: 'get',
      path: '/templates/aliases/{alias}',
      summary: 'Find a template by its name',
      responses: { 200: z.object({ templateID: z.string(), public: z.boolean() }) },
      handle: ({ params }) => {
        const { name } = parseReference(params.alias ?? '');
        const found = catalog.get(name);
        return { body: { templateID: found.templateID, public: found.public } };
      },
    }),
    route({
      method: 'get',
      path: '/templates/{templateID}',
      summary: 'Read about a template and its builds',
      responses: { 200: templateWithBuildsSchema },
      handle: ({ params }) => ({ body: withBuilds(template(params)) }),
    }),
    route({
      method: 'delete',
      path: '/templates/{templateID}',
      summary: 'Delete a template',
      responses: { 204: undefined },
      handle: async ({ params }) => {
        await remove(template(params));
        return {};
      },
    }),
    route({
      method: 'post',
      path: '/v3/templates',
      summary: 'Ask for a build of a new or known template',
      body: newBuildSchema,
      responses: { 202: requestedBuildSchema },
      handle: ({ body }) => {
        const reference = body.name ?? body.alias;
        if (!reference) throw new HostError(400, 'body.name: is missing.');
        const { name, tag } = parseReference(reference);
        if (name === 'base')
          throw new HostError(403, 'The template "base" belongs to the host and cannot be built.');
        const tags = body.tags ?? [tagSchema.parse(tag || defaultTag)];
        const found = catalog.find(name) ?? catalog.create(name);
        const build = catalog.addBuild(found, tags, {
          cpuCount: body.cpuCount ?? defaultResources.cpuCount,
          memoryMB: body.memoryMB ?? defaultResources.memoryMB,
          diskMB: body.diskSizeMB ?? Math.max(defaultResources.diskMB, body.minFreeDiskMb ?? 0),
        });
        return {
          body: {
            templateID: found.templateID,
            buildID: build.buildID,
            public: found.public,
            names: found.names,
            aliases: found.names,
            tags,
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/templates/{templateID}/files/{hash}',
      summary: 'Ask where to upload the files of a COPY step',
      responses: { 201: z.object({ present: z.boolean(), url: z.string() }) },
      handle: ({ params }) => {
        const { templateID } = template(params);
        const hash = params.hash ?? '';
        return { body: { present: uploads.has(templateID, hash), url: uploadUrl(templateID, hash) } };
      },
    }),
    route({
      method: 'post',
      path: '/v2/templates/{templateID}/builds/{buildID}',
      summary: 'Start a build',
      body: startBuildSchema,
      responses: { 202: undefined },
      handle: async ({ params, body }) => {
        await requireRoom();
        const build = buildOf(params);
        if (build.status !== 'waiting')
          throw new HostError(409, `Build "${build.buildID}" was started already.`);
        builder.start(template(params), build, body);
        return {};
      },
    }),
    route({
      method: 'get',
      path: '/templates/{templateID}/builds/{buildID}/status',
      summary: 'Read how far a build has come',
      query: z.object({
        logsOffset: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(0).max(100).default(100),
      }),
      responses: { 200: buildStatusSchema },
      handle: ({ params, query }) => {
        const build = buildOf(params);
        const entries = logs.read(build.buildID, { offset: query.logsOffset, limit: query.limit });
        return {
          body: {
            templateID: template(params).templateID,
            buildID: build.buildID,
            status: build.status,
            logs: entries.map((entry) => entry.message),
            logEntries: entries,
            ...(build.reason ? { reason: { ...build.reason, logEntries: [] } } : {}),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/templates/{templateID}/builds/{buildID}/logs',
      summary: 'Read the log of a build',
      query: z.object({
        cursor: z.coerce.number().int().min(0).optional(),
        limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
        direction: z.enum(['forward', 'backward']).default('forward'),
        level: z.enum(logLevels).default('debug'),
      }),
      responses: { 200: z.object({ logs: z.array(buildLogSchema) }) },
      handle: ({ params, query: { cursor, limit, direction, level } }) => {
        const backward = direction === 'backward';
        const levels = new Set(logLevels.slice(logLevels.indexOf(level)));
        const found = logs.search(buildOf(params).buildID, { limit, backward }, (entry) => {
          if (!levels.has(entry.level)) return false;
          const at = Date.parse(entry.timestamp);
          return cursor === undefined || (backward ? at <= cursor : at >= cursor);
        });
        return { body: { logs: found } };
      },
    }),
    ...(['/templates/{templateID}', '/v2/templates/{templateID}'] as const).map((path) =>
      route({
        method: 'patch',
        path,
        summary: 'Say whether a template is public',
        body: z.strictObject({ public: z.boolean().optional() }),
        responses: { 200: z.object({ names: texts }) },
        handle: ({ params, body }) => {
          const found = template(params);
          if (body.public !== undefined) catalog.describe(found, { public: body.public });
          return { body: { names: found.names } };
        },
      }),
    ),
    route({
      method: 'get',
      path: '/templates/{templateID}/tags',
      summary: 'List the tags of a template',
      responses: { 200: z.array(templateTagSchema) },
      handle: ({ params }) => ({
        body: Object.entries(template(params).tags).map(([tag, meaning]) => ({ tag, ...meaning })),
      }),
    }),
    route({
      method: 'put',
      path: '/x/templates/{templateID}/metadata',
      summary: 'Say something about a template, such as the config of the agent in it',
      body: z.record(z.string(), z.unknown()),
      responses: { 204: undefined },
      handle: ({ params, body }) => {
        policyOf(body);
        catalog.describe(template(params), { metadata: body });
        return {};
      },
    }),
  ];
}
