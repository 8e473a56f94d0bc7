import * as z from 'zod';
import type { AuditLog } from '../../audit/audit-log.js';
import type { AuditVerdict } from '../../audit/verify-audit.js';
import { type Route, route } from '../route.js';

/** The part of the control plane that shows what was decided. */
export function auditRoutes(log: AuditLog, verify: () => Promise<AuditVerdict>): Route[] {
  return [
    route({
      method: 'get',
      path: '/x/audit',
      summary: 'Read what was decided, oldest first',
      query: z.object({
        sandbox: z.string().optional(),
        limit: z.coerce.number().int().min(1).max(1_000).default(100),
        nextToken: z.coerce.number().int().min(0).default(0),
      }),
      status: 200,
      handle: async ({ query: { sandbox, limit, nextToken } }) => {
        const { lines, next } = await log.read({
          after: nextToken,
          limit,
          matches: (line) => sandbox === undefined || line.sandbox === sandbox,
        });
        return { body: lines, headers: next === undefined ? {} : { 'x-next-token': String(next) } };
      },
    }),
    route({
      method: 'get',
      path: '/x/audit/verify',
      summary: 'Check that no line of what was decided was changed, moved or taken away',
      status: 200,
      handle: async () => ({ body: await verify() }),
    }),
  ];
}
