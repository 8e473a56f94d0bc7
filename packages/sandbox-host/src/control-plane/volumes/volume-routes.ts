import * as z from 'zod';
import type { Volume, VolumeCatalog } from '../../volumes/volume-catalog.js';
import { type Route, route } from '../route.js';
import { schemaNames } from '../schemas.js';

const nameSchema = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9_-]+$/, 'may have letters, digits, "_" and "-"');

const volumeFields = { volumeID: z.string(), name: z.string() };
const volumeSchema = z.object(volumeFields).register(schemaNames, { id: 'Volume' });
const volumeAndTokenSchema = z
  .object({ ...volumeFields, token: z.string(), domain: z.string().optional() })
  .register(schemaNames, { id: 'VolumeAndToken' });

/** The part of the control plane that is about volumes; their files go by `/volumecontent`. */
export function volumeRoutes(volumes: VolumeCatalog, domain: () => string | undefined): Route[] {
  const withToken = (volume: Volume): z.output<typeof volumeAndTokenSchema> => ({
    ...volume,
    domain: domain(),
  });
  return [
    route({
      method: 'get',
      path: '/volumes',
      summary: 'List volumes',
      responses: { 200: z.array(volumeSchema) },
      handle: () => ({ body: volumes.list().map(({ volumeID, name }) => ({ volumeID, name })) }),
    }),
    route({
      method: 'post',
      path: '/volumes',
      summary: 'Make a volume',
      body: z.strictObject({ name: nameSchema }),
      responses: { 201: volumeAndTokenSchema },
      handle: async ({ body }) => ({ body: withToken(await volumes.create(body.name)) }),
    }),
    route({
      method: 'get',
      path: '/volumes/{volumeID}',
      summary: 'Read about a volume, and the token that opens its files',
      responses: { 200: volumeAndTokenSchema },
      handle: ({ params }) => ({ body: withToken(volumes.get(params.volumeID ?? '')) }),
    }),
    route({
      method: 'delete',
      path: '/volumes/{volumeID}',
      summary: 'Destroy a volume and what is in it',
      responses: { 204: undefined },
      handle: async ({ params }) => {
        await volumes.destroy(params.volumeID ?? '');
        return {};
      },
    }),
  ];
}
