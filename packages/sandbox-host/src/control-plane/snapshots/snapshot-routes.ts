import type { Image } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import * as z from 'zod';
import { bareId } from '../../sandboxes/identifiers.js';
import type { Sandbox } from '../../sandboxes/sandbox.js';
import type { SandboxManager } from '../../sandboxes/sandbox-manager.js';
import type { Template } from '../../templates/template.js';
import { defaultTag, type TemplateCatalog } from '../../templates/template-catalog.js';
import { page, pageFields } from '../pages.js';
import { type Route, route } from '../route.js';
import { created, createdSchema } from '../sandboxes/sandbox-views.js';
import { errorSchema, schemaNames } from '../schemas.js';

const defaultSeconds = 300;
const maxForks = 100;
const snapshotSchema = z
  .object({ snapshotID: z.string(), names: z.array(z.string()) })
  .register(schemaNames, { id: 'Snapshot' });
/** One of the two. */
const forkSchema = z
  .object({ sandbox: createdSchema.optional(), error: errorSchema.optional() })
  .register(schemaNames, { id: 'Fork' });

/**
 * The part of the control plane that makes sandboxes of sandboxes. What is kept is the files: a sandbox made
 * from them starts the template's server again.
 */
export function snapshotRoutes(
  sandboxes: SandboxManager,
  catalog: TemplateCatalog,
  releaseImage: (image: Image) => Promise<void>,
): Route[] {
  const take = async (sandbox: Sandbox, name: string | undefined): Promise<Template> => {
    const known = name === undefined ? undefined : catalog.find(name);
    if (known && known.snapshotOf === undefined)
      throw new HostError(409, `"${name}" is the name of a template.`);
    const image = await sandbox.checkpoint();
    try {
      return record(sandbox, image, known ?? catalog.create(name, sandbox.id));
    } catch (error) {
      // Nothing names it, so nothing could be started from it.
      await releaseImage(image);
      throw error;
    }
  };
  const record = ({ settings }: Sandbox, image: Image, snapshot: Template): Template => {
    const build = catalog.addBuild(snapshot, [defaultTag], settings);
    const { envs, workdir, user, start } = settings;
    // The template's rules hold for what was made of it.
    catalog.describe(snapshot, { metadata: catalog.find(settings.templateId)?.metadata ?? {} });
    catalog.finish(snapshot, build, { image, envs, workdir, user, ...start });
    return snapshot;
  };
  return [
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/snapshots',
      summary: 'Keep the files of a sandbox as something to start from',
      body: z.strictObject({ name: z.string().optional() }),
      responses: { 201: snapshotSchema },
      handle: async ({ params, body }) => ({
        body: view(await take(sandboxes.get(params.sandboxID ?? ''), body.name)),
      }),
    }),
    route({
      method: 'get',
      path: '/snapshots',
      summary: 'List snapshots',
      query: z.object({ ...pageFields, sandboxID: z.string().optional(), name: z.string().optional() }),
      responses: { 200: z.array(snapshotSchema) },
      handle: ({ query }) => {
        const found = catalog
          .snapshots()
          .filter(
            (one) =>
              (query.sandboxID === undefined || one.snapshotOf === bareId(query.sandboxID)) &&
              (query.name === undefined || one.names.includes(query.name)),
          );
        return page(found.reverse(), query, (one) => one.templateID, view);
      },
    }),
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/fork',
      summary: 'Start sandboxes from the files of a sandbox as they are now',
      body: z.strictObject({
        timeout: z.int().min(0).optional(),
        count: z.int().min(1).max(maxForks).default(1),
      }),
      responses: { 201: z.array(forkSchema) },
      handle: async ({ params, body, signal }) => {
        const sandbox = sandboxes.get(params.sandboxID ?? '');
        const image = await sandbox.checkpoint();
        const settings = { ...sandbox.settings, timeoutMs: (body.timeout ?? defaultSeconds) * 1000 };
        const forks = await Promise.allSettled(
          Array.from({ length: body.count }, () => sandboxes.create(image, { ...settings }, signal)),
        );
        return {
          body: forks.map((fork) => {
            if (fork.status === 'fulfilled') return { sandbox: created(fork.value) };
            const { reason } = fork;
            const known = HostError.isInstance(reason) ? reason : shortageOf(reason);
            const message = known?.message ?? 'The fork could not be started.';
            return { error: { code: known?.status ?? 500, message } };
          }),
        };
      },
    }),
  ];
}

function view(snapshot: Template): z.output<typeof snapshotSchema> {
  return { snapshotID: snapshot.templateID, names: snapshot.names };
}
