import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import type { Sandbox } from '../sandboxes/sandbox.js';
import type { CallContext } from './connect/service.js';
import { parseUser } from './paths.js';

/** Which sandbox a call is for, and as whom. */
export interface Caller {
  sandbox: Sandbox;
  /** As it was given, if it was. */
  username: string | undefined;
}

export type Context = CallContext<Caller>;

/** Who calls a service. @throws HostError 401 for a user that is not in the sandbox. */
export function callerOf({ caller }: Context): { sandbox: Sandbox; user: SandboxUser } {
  return { sandbox: caller.sandbox, user: parseUser(caller.username, caller.sandbox.settings.user) };
}
