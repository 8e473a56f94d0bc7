import { type Pools, poolSizeSchema } from '../../pools/pools.js';
import { type Route, route } from '../route.js';

/** The part of the control plane that is about sandboxes which wait ready. */
export function poolRoutes(pools: Pools): Route[] {
  return [
    route({
      method: 'get',
      path: '/x/pools',
      summary: 'List pools of sandboxes that wait ready',
      status: 200,
      handle: () => ({ body: pools.list() }),
    }),
    route({
      method: 'put',
      path: '/x/pools/{template}',
      summary: 'Set how many sandboxes of a template wait ready; a max of 0 ends its pool',
      body: poolSizeSchema,
      status: 200,
      handle: ({ params, body }) => ({ body: pools.set(params.template ?? '', body) }),
    }),
  ];
}
