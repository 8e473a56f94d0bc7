import { variableName } from '@sandpiper/sandbox-engine/check-command';
import type { Capabilities } from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import * as z from 'zod';
import { envdPort } from '../../envd/envd.js';
import type { SandboxManager } from '../../sandboxes/sandbox-manager.js';
import type { SandboxSettings, SandboxVolume } from '../../sandboxes/sandbox-settings.js';
import { unmetRequirements } from '../../templates/requirements.js';
import type { Template } from '../../templates/template.js';
import type { TemplateCatalog } from '../../templates/template-catalog.js';
import { policyOf, restrictEgress } from '../../templates/template-policy.js';
import { templateSettings } from '../../templates/template-settings.js';
import type { VolumeCatalog } from '../../volumes/volume-catalog.js';
import { page, pageFields } from '../pages.js';
import { type Call, type Route, route } from '../route.js';
import { requestedLimits } from './requested-limits.js';
import {
  capabilitiesSchema,
  created,
  createdSchema,
  detailed,
  detailedSchema,
  listed,
  listedSchema,
  publicState,
  type SandboxView,
} from './sandbox-views.js';

/** Seconds; the longest E2B gives anybody is a day, here it is a month. */
const seconds = z
  .int()
  .min(0)
  .max(30 * 24 * 3600);
const defaultSeconds = 300;
/** What SDKs before version 2.51 relied on. */
const defaultSecondsV1 = 15;

const record = z.record(z.string(), z.string());
const envSchema = record.superRefine((env, context) => {
  for (const name of Object.keys(env)) {
    if (variableName.test(name)) continue;
    context.addIssue({
      code: 'custom',
      message: `${JSON.stringify(name)} cannot be the name of an environment variable`,
    });
  }
});
/** The most ports of a sandbox that can be declared to serve HTTPS. */
const maxHttpsPorts = 256;
/** What E2B's SDKs send and what means nothing here is taken by its name; everything else is refused. */
const ignored = z.unknown().optional();
const egressSchema = z.strictObject({
  allowOut: z.array(z.string()).optional(),
  denyOut: z.array(z.string()).optional(),
  // Ignored, it would let traffic out by itself that was to go through the proxy.
  egressProxy: z
    .unknown()
    .refine((proxy) => proxy == null, 'is not to be had here: this host sends nothing through a proxy')
    .optional(),
  // What its proxy would add to requests on the way out; this host has none.
  rules: ignored,
});
const networkSchema = egressSchema.extend({
  allowPublicTraffic: z.boolean().optional(),
  maskRequestHost: z
    .string()
    .max(255)
    .regex(/^[\x21-\x7e]*$/, 'cannot be a Host header')
    .optional(),
  httpsPorts: z
    .array(
      z
        .int()
        .min(1)
        .max(65_535)
        .refine((port) => port !== envdPort, "cannot be the port of the sandbox's own API"),
    )
    .max(maxHttpsPorts)
    .optional(),
});
/** The most volumes of a sandbox. */
const maxVolumes = 32;
const mountPath = z
  .string()
  .max(4_000)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: just these cannot be in a path.
  .regex(/^(\/(?!\.{1,2}(\/|$))[^/\x00]{1,255})+$/, 'must be absolute, without dots, and not the root');
const volumeMountsSchema = z
  .array(z.strictObject({ name: z.string(), path: mountPath }))
  .max(maxVolumes)
  .superRefine((mounts, context) => {
    for (const [index, { path }] of mounts.entries()) {
      const other = mounts.find((one, at) => at !== index && `${path}/`.startsWith(`${one.path}/`));
      if (!other) continue;
      const message = `"${path}" is within the mount "${other.path}"`;
      context.addIssue({ code: 'custom', path: [index, 'path'], message });
    }
  });
const newSandboxSchema = z.strictObject({
  templateID: z.string().min(1),
  timeout: seconds.optional(),
  metadata: record.optional(),
  envVars: envSchema.optional(),
  allow_internet_access: z.boolean().optional(),
  network: networkSchema.optional(),
  autoPause: z.boolean().optional(),
  autoPauseMemory: z.boolean().optional(),
  autoResume: z.strictObject({ enabled: z.boolean() }).optional(),
  volumeMounts: volumeMountsSchema.optional(),
  secure: z.boolean().optional(),
  // The SDK itself starts the gateway, with this.
  mcp: ignored,
  // Tokens for `network.rules`.
  iam: ignored,
});
const connectSchema = z.strictObject({ timeout: seconds.optional(), memory: z.boolean().optional() });
/** The other status says that it was paused. */
const connectResponses = { 200: createdSchema, 201: createdSchema };
const listQuery = z.object({
  ...pageFields,
  metadata: z.string().optional(),
  state: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(['running', 'paused'])))
    .optional(),
  startedAfter: z.iso.datetime({ offset: true }).optional(),
  template: z.string().optional(),
  order: z.enum(['asc', 'desc']).default('desc'),
});

/** The part of the control plane that is about sandboxes. */
export function sandboxRoutes(
  sandboxes: SandboxManager,
  catalog: TemplateCatalog,
  volumes: VolumeCatalog,
  capabilities: Capabilities,
): Route[] {
  const create =
    (version: 1 | 2) =>
    async ({ body, context, signal }: Call<unknown, z.output<typeof newSandboxSchema>>) => {
      const resolved = catalog.resolve(body.templateID);
      const { template, result } = resolved;
      const egress = restrictEgress(template, {
        network: body.network ?? {},
        allowInternetAccess: body.allow_internet_access,
      });
      refuseUnenforceable(egress, capabilities);
      refuseUnmet(template, capabilities);
      const sandbox = await sandboxes.create(
        result.image,
        {
          ...templateSettings(resolved),
          ...requestedLimits((name) => context.req.header(name), capabilities),
          metadata: body.metadata ?? {},
          envs: { ...result.envs, ...body.envVars },
          timeoutMs: (body.timeout ?? (version === 1 ? defaultSecondsV1 : defaultSeconds)) * 1000,
          autoPause: body.autoPause ?? false,
          autoPauseMemory: body.autoPauseMemory ?? true,
          autoResume: body.autoResume?.enabled ?? false,
          ...egress,
          volumes: findVolumes(volumes, body.volumeMounts ?? []),
          secure: version === 2 || (body.secure ?? false),
        },
        signal,
      );
      catalog.countSpawn(template, sandbox.startedAt);
      return { body: created(sandbox), sandboxId: sandbox.id };
    };

  const list = ({ query }: { query: z.output<typeof listQuery> }) => {
    const wanted = query.metadata === undefined ? [] : parseMetadata(query.metadata);
    const template = query.template === undefined ? undefined : catalog.find(query.template)?.templateID;
    const found = sandboxes
      .list()
      .filter(
        (one) =>
          (!query.state || query.state.includes(publicState(one))) &&
          wanted.every(([key, value]) => one.settings.metadata[key] === value) &&
          (query.template === undefined || one.settings.templateId === template) &&
          (query.startedAfter === undefined || one.startedAt >= new Date(query.startedAfter)),
      );
    if (query.order === 'desc') found.reverse();
    return page(found, query, (one) => one.id, listed);
  };

  const connect = async (
    id: string,
    timeout: number,
    memory: boolean | undefined,
  ): Promise<{ body: SandboxView; status: number }> => {
    const sandbox = sandboxes.get(id);
    const resumed = await sandbox.resume(timeout * 1000, { memory });
    if (!resumed) sandbox.extendTimeout(timeout * 1000);
    return { body: created(sandbox), status: resumed ? 201 : 200 };
  };

  return [
    route({
      method: 'post',
      path: '/v2/sandboxes',
      summary: 'Create a sandbox',
      body: newSandboxSchema,
      responses: { 201: createdSchema },
      handle: create(2),
    }),
    route({
      method: 'post',
      path: '/sandboxes',
      summary: 'Create a sandbox (SDKs before 2.51)',
      body: newSandboxSchema,
      responses: { 201: createdSchema },
      handle: create(1),
    }),
    route({
      method: 'get',
      path: '/v2/sandboxes',
      summary: 'List sandboxes',
      query: listQuery,
      responses: { 200: z.array(listedSchema) },
      handle: list,
    }),
    route({
      method: 'get',
      path: '/sandboxes',
      summary: 'List running sandboxes',
      query: z.object({ metadata: z.string().optional() }),
      responses: { 200: z.array(listedSchema) },
      handle: ({ query }) => {
        const { body } = list({
          query: { ...query, state: ['running'], order: 'desc', limit: Number.MAX_SAFE_INTEGER },
        });
        return { body };
      },
    }),
    route({
      method: 'get',
      path: '/sandboxes/{sandboxID}',
      summary: 'Read about a sandbox',
      responses: { 200: detailedSchema },
      handle: ({ params }) => ({ body: detailed(sandboxes.get(params.sandboxID ?? ''), capabilities) }),
    }),
    route({
      method: 'get',
      path: '/x/capabilities',
      summary: 'Read what is enforced on this machine, and what is not',
      responses: { 200: capabilitiesSchema },
      handle: () => ({ body: { ...capabilities } }),
    }),
    route({
      method: 'delete',
      path: '/sandboxes/{sandboxID}',
      summary: 'Kill a sandbox',
      responses: { 204: undefined },
      handle: async ({ params }) => {
        const id = params.sandboxID ?? '';
        if (!(await sandboxes.kill(id))) throw new HostError(404, `Sandbox "${id}" was not found.`);
        return {};
      },
    }),
    route({
      method: 'post',
      path: '/v2/sandboxes/{sandboxID}/connect',
      summary: 'Connect to a sandbox, resuming it if it is paused',
      body: connectSchema,
      responses: connectResponses,
      handle: ({ params, body }) =>
        connect(params.sandboxID ?? '', body.timeout ?? defaultSeconds, body.memory),
    }),
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/connect',
      summary: 'Connect to a sandbox (SDKs before 2.51)',
      body: connectSchema,
      responses: connectResponses,
      handle: ({ params, body }) =>
        connect(params.sandboxID ?? '', body.timeout ?? defaultSecondsV1, body.memory),
    }),
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/resume',
      summary: 'Resume a paused sandbox',
      body: connectSchema.extend({ autoPause: z.boolean().optional() }),
      responses: { 201: createdSchema },
      handle: async ({ params, body }) => {
        const sandbox = sandboxes.get(params.sandboxID ?? '');
        const resumed = await sandbox.resume((body.timeout ?? defaultSecondsV1) * 1000, {
          memory: body.memory,
        });
        if (!resumed) throw new HostError(409, `Sandbox "${sandbox.id}" is running already.`);
        if (body.autoPause !== undefined) sandbox.change({ autoPause: body.autoPause });
        return { body: created(sandbox) };
      },
    }),
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/pause',
      summary: 'Pause a sandbox',
      body: z.strictObject({ memory: z.boolean().optional() }),
      responses: { 204: undefined },
      handle: async ({ params, body }) => {
        const sandbox = sandboxes.get(params.sandboxID ?? '');
        if (!(await sandbox.pause({ memory: body.memory })))
          throw new HostError(409, `Sandbox "${sandbox.id}" is paused already.`);
        return {};
      },
    }),
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/timeout',
      summary: 'Set how long a sandbox lives from now',
      body: z.strictObject({ timeout: seconds }),
      responses: { 204: undefined },
      handle: ({ params, body }) => {
        sandboxes.get(params.sandboxID ?? '').setTimeout(body.timeout * 1000);
        return {};
      },
    }),
    route({
      method: 'post',
      path: '/sandboxes/{sandboxID}/refreshes',
      summary: 'Let a sandbox live at least this much longer',
      body: z.strictObject({ duration: seconds.optional() }),
      responses: { 204: undefined },
      handle: ({ params, body }) => {
        sandboxes.get(params.sandboxID ?? '').extendTimeout((body.duration ?? defaultSecondsV1) * 1000);
        return {};
      },
    }),
    route({
      method: 'put',
      path: '/sandboxes/{sandboxID}/network',
      summary: 'Replace the rules of what a sandbox may reach',
      body: egressSchema.extend({ allow_internet_access: z.boolean().optional() }),
      responses: { 204: undefined },
      handle: async ({ params, body }) => {
        const sandbox = sandboxes.get(params.sandboxID ?? '');
        const { allowOut, denyOut, allow_internet_access: allowInternetAccess } = body;
        const template = catalog.find(sandbox.settings.templateId) ?? { metadata: {} };
        const egress = restrictEgress(template, { network: { allowOut, denyOut }, allowInternetAccess });
        refuseUnenforceable(egress, capabilities);
        await sandbox.setNetwork(egress.network, egress.allowInternetAccess);
        return {};
      },
    }),
  ];
}

/** @throws HostError 400, as E2B answers, for names that no volume has. */
function findVolumes(volumes: VolumeCatalog, mounts: z.output<typeof volumeMountsSchema>): SandboxVolume[] {
  return mounts.map(({ name, path }, index) => {
    const volume = volumes.findByName(name);
    if (!volume) throw new HostError(400, `body.volumeMounts.${index}.name: there is no volume "${name}".`);
    return { id: volume.volumeID, name, path };
  });
}

/** The SDK encodes keys and values, and then the whole once more. */
function parseMetadata(text: string): [string, string][] {
  try {
    return [...new URLSearchParams(text)].map(([key, value]) => [
      decodeURIComponent(key),
      decodeURIComponent(value),
    ]);
  } catch {
    throw new HostError(400, 'query.metadata: is not URL-encoded.');
  }
}

/** A template may need walls that this host does not have. */
function refuseUnmet({ metadata }: Template, capabilities: Capabilities): void {
  const unmet = unmetRequirements(policyOf(metadata).requires ?? {}, capabilities);
  if (unmet.length > 0) throw new HostError(400, unmet.join(' '));
}

/** Who asks for a wall and gets none must not be left to believe in it. */
function refuseUnenforceable(
  { network, allowInternetAccess }: Pick<SandboxSettings, 'network' | 'allowInternetAccess'>,
  capabilities: Capabilities,
): void {
  if (capabilities.network.level === 'enforced') return;
  // Allowing alone takes nothing away.
  if (allowInternetAccess !== false && !network.denyOut?.length) return;
  const { reason } = capabilities.network;
  throw new HostError(400, `This host cannot keep a sandbox from the network: ${reason}.`);
}
