import { Readable } from 'node:stream';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { VolumeEntry, VolumeFiles } from '@sandpiper/sandbox-engine/volumes';
import * as z from 'zod';
import { keyId } from '../../events/key-id.js';
import { discardUnread } from '../../http/discard-unread.js';
import { fileResponse } from '../../http/file-response.js';
import type { VolumeCatalog } from '../../volumes/volume-catalog.js';
import { type Call, type Route, route } from '../route.js';
import { moment, schemaNames } from '../schemas.js';

const pathSchema = z
  .string()
  .min(1)
  .transform((path) => (path.startsWith('/') ? path : `/${path}`));
/** Users of sandboxes have sixteen bits. */
const userId = z.int().min(0).max(65_535);
const mode = z.int().min(0).max(0o777);
const inQuery = (schema: z.ZodInt) => z.coerce.number().pipe(schema).optional();
const writeQuery = z.object({
  path: pathSchema,
  uid: inQuery(userId),
  gid: inQuery(userId),
  mode: inQuery(mode),
  force: z.enum(['true', 'false']).optional(),
});
const pathQuery = z.object({ path: pathSchema });

const entrySchema = z
  .object({
    name: z.string(),
    path: z.string(),
    type: z.enum(['file', 'directory', 'symlink', 'unknown']),
    size: z.int(),
    mode: z.int(),
    uid: z.int(),
    gid: z.int(),
    atime: moment,
    mtime: moment,
    ctime: moment,
    target: z.string().optional(),
  })
  .register(schemaNames, { id: 'VolumeEntry' });

/** The files of volumes, for a caller that has the volume's token. */
export function volumeContentRoutes(volumes: VolumeCatalog): Route[] {
  const open = ({ params, context }: Pick<Call, 'params' | 'context'>): VolumeFiles => {
    const [scheme, token] = (context.req.header('authorization') ?? '').split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || !token) {
      throw new HostError(401, 'The token of the volume is missing: "Authorization: Bearer <token>".');
    }
    const files = volumes.open(params.volumeID ?? '', token);
    context.set('actor', keyId('volume', token));
    return files;
  };
  const common = { open: 'volumeToken' } as const;
  return [
    route({
      ...common,
      method: 'get',
      path: '/volumecontent/{volumeID}/dir',
      summary: 'List what is in a directory of a volume',
      query: pathQuery.extend({ depth: inQuery(z.int().min(1)) }),
      responses: { 200: z.array(entrySchema) },
      handle: async ({ query, signal, ...call }) => {
        const entries = await open(call).list(query.path, query.depth ?? 1, signal);
        return { body: entries.map(view) };
      },
    }),
    route({
      ...common,
      method: 'post',
      path: '/volumecontent/{volumeID}/dir',
      summary: 'Make a directory in a volume, with force also those above it',
      query: writeQuery,
      responses: { 201: entrySchema },
      handle: async ({ query: { path, force, ...attributes }, ...call }) => ({
        body: view(await open(call).makeDirectory(path, { ...attributes, force: force === 'true' })),
      }),
    }),
    route({
      ...common,
      method: 'get',
      path: '/volumecontent/{volumeID}/path',
      summary: 'Read about a file or directory of a volume',
      query: pathQuery,
      responses: { 200: entrySchema },
      handle: async ({ query, ...call }) => ({ body: view(await open(call).stat(query.path)) }),
    }),
    route({
      ...common,
      method: 'patch',
      path: '/volumecontent/{volumeID}/path',
      summary: 'Change whose a file or directory of a volume is, and its mode',
      query: pathQuery,
      body: z.strictObject({ uid: userId.optional(), gid: userId.optional(), mode: mode.optional() }),
      responses: { 200: entrySchema },
      handle: async ({ query, body, ...call }) => ({
        body: view(await open(call).change(query.path, body)),
      }),
    }),
    route({
      ...common,
      method: 'delete',
      path: '/volumecontent/{volumeID}/path',
      summary: 'Remove a file or a whole directory of a volume',
      query: pathQuery,
      responses: { 204: undefined },
      handle: async ({ query, ...call }) => {
        await open(call).remove(query.path);
        return {};
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/volumecontent/{volumeID}/file',
      summary: 'Read a file of a volume',
      query: pathQuery,
      responses: { 200: '*/*', 206: '*/*', 304: undefined, 416: undefined },
      handle: async ({ query, ...call }) => {
        const file = await open(call).read(query.path);
        const { incoming } = call.context.env;
        const name = query.path.split('/').at(-1) ?? 'file';
        const { status, headers, range } = fileResponse(incoming.headers, file, name);
        // One that was empty may have grown.
        const length = range ? range.end - range.start + 1 : file.size || undefined;
        if (status !== 304 && status !== 416 && length !== undefined)
          headers['content-length'] = String(length);
        if (status === 304 || status === 416 || incoming.method === 'HEAD') {
          await file.close();
          return { status, headers };
        }
        return { status, headers, content: Readable.toWeb(file.stream(range)) as ReadableStream<Uint8Array> };
      },
    }),
    route({
      ...common,
      method: 'put',
      path: '/volumecontent/{volumeID}/file',
      summary: 'Write a file of a volume; one that is there only with force',
      query: writeQuery,
      upload: true,
      responses: { 201: entrySchema },
      handle: async ({ query: { path, force, ...attributes }, ...call }) => {
        const files = open(call);
        const entry = await discardUnread(call.context.env.incoming, (content) =>
          files.write(path, content, { ...attributes, force: force === 'true' }),
        );
        return { body: view(entry) };
      },
    }),
  ];
}

function view({ accessedAt, modifiedAt, changedAt, ...entry }: VolumeEntry): z.output<typeof entrySchema> {
  return {
    ...entry,
    atime: accessedAt.toISOString(),
    mtime: modifiedAt.toISOString(),
    ctime: changedAt.toISOString(),
  };
}
