import * as z from 'zod';
import type { AuditLog } from '../../audit/audit-log.js';
import type { AuditVerdict } from '../../audit/verify-audit.js';
import { type Route, route } from '../route.js';
import { moment, schemaNames } from '../schemas.js';

const auditLineSchema = z
  .object({
    seq: z.int(),
    time: moment,
    actor: z.string(),
    action: z.string(),
    outcome: z.string(),
    sandbox: z.string().optional(),
    request: z.string().optional(),
    count: z.int().optional(),
    reason: z.string().optional(),
    prev: z.string(),
    hash: z.string(),
  })
  .register(schemaNames, { id: 'AuditLine' });
const verdictSchema = z
  .object({
    valid: z.boolean(),
    lines: z.int(),
    seq: z.int(),
    hash: z.string(),
    problems: z.array(z.object({ file: z.string(), line: z.int(), problem: z.string() })),
  })
  .register(schemaNames, { id: 'AuditVerdict' });

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
      responses: { 200: z.array(auditLineSchema) },
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
      responses: { 200: verdictSchema },
      handle: async () => ({ body: await verify() }),
    }),
  ];
}
