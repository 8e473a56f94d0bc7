import type { Context } from 'hono';

/** A host name is shorter. */
const longestHost = 255;

/** Why a request is not taken for one to a sandbox, and what a proxy has to hand on if it was one. */
export function namesNoSandbox(context: Context): string {
  const host = (context.req.header('host') ?? '').slice(0, longestHost);
  return (
    `Its host "${host}" names no sandbox, so it was taken for one to the control plane: for a port of a sandbox the ` +
    'host is <port>-<sandboxID>.<domain>, or the headers E2b-Sandbox-Id and E2b-Sandbox-Port are sent. A proxy in ' +
    'front must hand on Host and these headers as they came.'
  );
}
