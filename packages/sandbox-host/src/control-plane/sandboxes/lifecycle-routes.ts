import * as z from 'zod';
import { explain } from '../../sandboxes/explain.js';
import type { SandboxManager } from '../../sandboxes/sandbox-manager.js';
import { stateSchema } from '../../sandboxes/sandbox-record.js';
import { type Route, route } from '../route.js';
import { moment, schemaNames } from '../schemas.js';

/** Milliseconds; anything that happens in a sandbox takes longer than less than this. */
const idleMs = z
  .int()
  .min(1_000)
  .max(30 * 24 * 3_600_000);

const actionSchema = z.enum(['pause', 'kill', 'hibernate']);
const explanationSchema = z
  .object({
    state: stateSchema,
    stateSince: moment,
    idle: z.boolean(),
    idleSince: moment.optional(),
    holders: z.array(
      z.object({ kind: z.enum(['request', 'stream', 'command', 'agent']), what: z.string(), since: moment }),
    ),
    policy: z.object({ idleMs: z.int(), action: actionSchema }).optional(),
    next: z
      .object({ at: moment, action: actionSchema, cause: z.enum(['timeout', 'idle', 'age']) })
      .optional(),
    leftMs: z.number(),
    wakesOnRequest: z.boolean(),
  })
  .register(schemaNames, { id: 'Explanation' });

/** The part of the control plane about idle sandboxes, which E2B's does not have. */
export function lifecycleRoutes(sandboxes: SandboxManager): Route[] {
  const find = (params: Record<string, string>) => sandboxes.get(params.sandboxID ?? '');
  return [
    route({
      method: 'get',
      path: '/x/sandboxes/{sandboxID}/explain',
      summary: 'Say why a sandbox is or is not idle, and what becomes of it',
      responses: { 200: explanationSchema },
      handle: async ({ params }) => ({ body: await explain(find(params)) }),
    }),
    route({
      method: 'post',
      path: '/x/sandboxes/{sandboxID}/idle',
      summary: 'Set what becomes of a sandbox when nothing happens in it: { idleMs: 0 } for nothing',
      body: z.strictObject({
        idleMs: z.union([z.literal(0), idleMs]),
        action: actionSchema.default('pause'),
      }),
      responses: { 204: undefined },
      handle: ({ params, body }) => {
        find(params).setIdlePolicy(body.idleMs === 0 ? null : body);
        return {};
      },
    }),
    route({
      method: 'delete',
      path: '/x/sandboxes/{sandboxID}/idle',
      summary: "Let the host's own policy for idle sandboxes count again",
      responses: { 204: undefined },
      handle: ({ params }) => {
        find(params).setIdlePolicy(undefined);
        return {};
      },
    }),
    route({
      method: 'post',
      path: '/x/sandboxes/{sandboxID}/hibernate',
      summary: 'Pause a sandbox and give back its memory; a request or a connect wakes it',
      responses: { 200: z.object({ state: stateSchema }) },
      handle: async ({ params }) => {
        const sandbox = find(params);
        await sandbox.hibernate();
        return { body: { state: sandbox.state } };
      },
    }),
  ];
}
