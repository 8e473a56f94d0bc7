import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { type Route, route } from './route.js';

/** What E2B has and one machine does not: said clearly, so that nobody takes it for a fault. */
const absent: [path: string, what: string][] = [
  ['/secrets', 'stored secrets; give them to a sandbox as envs'],
  ['/secrets/{secretID}', 'stored secrets; give them to a sandbox as envs'],
  ['/teams', 'teams; there is one key'],
];

export const absentRoutes: Route[] = absent.flatMap(([path, what]) =>
  (['get', 'post', 'put', 'patch', 'delete'] as const).map((method) =>
    route({
      method,
      path,
      summary: `Not on this host, which has no ${what}`,
      responses: {},
      handle: () => {
        throw new HostError(501, `This host has no ${what}.`);
      },
    }),
  ),
);
