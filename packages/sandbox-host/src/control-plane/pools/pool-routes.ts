import * as z from 'zod';
import { type Pools, poolSizeSchema } from '../../pools/pools.js';
import { type Route, route } from '../route.js';
import { moment, schemaNames } from '../schemas.js';

const poolSchema = z
  .object({
    template: z.string(),
    min: z.int(),
    max: z.int(),
    target: z.int(),
    ready: z.int(),
    starting: z.int(),
    hits: z.int(),
    misses: z.int(),
    failures: z.int(),
    pausedUntil: moment.optional(),
    lastError: z.string().optional(),
  })
  .register(schemaNames, { id: 'Pool' });

/** The part of the control plane that is about sandboxes which wait ready. */
export function poolRoutes(pools: Pools): Route[] {
  return [
    route({
      method: 'get',
      path: '/x/pools',
      summary: 'List pools of sandboxes that wait ready',
      responses: { 200: z.array(poolSchema) },
      handle: () => ({ body: pools.list() }),
    }),
    route({
      method: 'put',
      path: '/x/pools/{template}',
      summary: 'Set how many sandboxes of a template wait ready; a max of 0 ends its pool',
      body: poolSizeSchema,
      responses: { 200: poolSchema },
      handle: ({ params, body }) => ({ body: pools.set(params.template ?? '', body) }),
    }),
  ];
}
