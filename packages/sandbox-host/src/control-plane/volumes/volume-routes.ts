import * as z from 'zod';
import type { Volume, VolumeCatalog } from '../../volumes/volume-catalog.js';
import { type Route, route } from '../route.js';

const nameSchema = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9_-]+$/, 'may have letters, digits, "_" and "-"');

/** The part of the control plane that is about volumes; their files go by `/volumecontent`. */
export function volumeRoutes(volumes: VolumeCatalog, domain: () => string | undefined): Route[] {
  const withToken = (volume: Volume): Record<string, unknown> => ({ ...volume, domain: domain() });
  return [
    route({
      method: 'get',
      path: '/volumes',
      summary: 'List volumes',
      status: 200,
      handle: () => ({ body: volumes.list().map(({ volumeID, name }) => ({ volumeID, name })) }),
    }),
    route({
      method: 'post',
      path: '/volumes',
      summary: 'Make a volume',
      body: z.strictObject({ name: nameSchema }),
      status: 201,
      handle: async ({ body }) => ({ body: withToken(await volumes.create(body.name)) }),
    }),
    route({
      method: 'get',
      path: '/volumes/{volumeID}',
      summary: 'Read about a volume, and the token that opens its files',
      status: 200,
      handle: ({ params }) => ({ body: withToken(volumes.get(params.volumeID ?? '')) }),
    }),
    route({
      method: 'delete',
      path: '/volumes/{volumeID}',
      summary: 'Destroy a volume and what is in it',
      status: 204,
      handle: async ({ params }) => {
        await volumes.destroy(params.volumeID ?? '');
        return {};
      },
    }),
  ];
}
