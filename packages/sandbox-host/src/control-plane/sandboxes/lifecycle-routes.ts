import * as z from 'zod';
import { explain } from '../../sandboxes/explain.js';
import type { SandboxManager } from '../../sandboxes/sandbox-manager.js';
import { type Route, route } from '../route.js';

/** Milliseconds; anything that happens in a sandbox takes longer than less than this. */
const idleMs = z
  .int()
  .min(1_000)
  .max(30 * 24 * 3_600_000);

/** The part of the control plane about idle sandboxes, which E2B's does not have. */
export function lifecycleRoutes(sandboxes: SandboxManager): Route[] {
  const find = (params: Record<string, string>) => sandboxes.get(params.sandboxID ?? '');
  return [
    route({
      method: 'get',
      path: '/x/sandboxes/{sandboxID}/explain',
      summary: 'Say why a sandbox is or is not idle, and what becomes of it',
      status: 200,
      handle: async ({ params }) => ({ body: await explain(find(params)) }),
    }),
    route({
      method: 'post',
      path: '/x/sandboxes/{sandboxID}/idle',
      summary: 'Set what becomes of a sandbox when nothing happens in it: { idleMs: 0 } for nothing',
      body: z.strictObject({
        idleMs: z.union([z.literal(0), idleMs]),
        action: z.enum(['pause', 'kill', 'hibernate']).default('pause'),
      }),
      status: 204,
      handle: ({ params, body }) => {
        find(params).setIdlePolicy(body.idleMs === 0 ? null : body);
        return {};
      },
    }),
    route({
      method: 'delete',
      path: '/x/sandboxes/{sandboxID}/idle',
      summary: "Let the host's own policy for idle sandboxes count again",
      status: 204,
      handle: ({ params }) => {
        find(params).setIdlePolicy(undefined);
        return {};
      },
    }),
    route({
      method: 'post',
      path: '/x/sandboxes/{sandboxID}/hibernate',
      summary: 'Pause a sandbox and give back its memory; a request or a connect wakes it',
      status: 200,
      handle: async ({ params }) => {
        const sandbox = find(params);
        await sandbox.hibernate();
        return { body: { state: sandbox.state } };
      },
    }),
  ];
}
