import {
  Code,
  ConnectError,
  type ContextKey,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from '@connectrpc/connect';
import type { SandboxUser } from '../engines/engine.js';
import { HostError } from '../errors.js';
import type { Sandbox } from '../sandboxes/sandbox.js';

/** Which sandbox a call is for, and as whom. */
export interface Caller {
  sandbox: Sandbox;
  user: SandboxUser;
}

/** Carries the caller from the door to the services. */
export const callerKey: ContextKey<Caller | undefined> = createContextKey<Caller | undefined>(undefined);

export function callerOf(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  if (!caller) throw new ConnectError('No sandbox was named.', Code.Internal);
  return caller;
}

const codes: Record<number, Code> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  409: Code.AlreadyExists,
  429: Code.ResourceExhausted,
  501: Code.Unimplemented,
  503: Code.Unavailable,
  507: Code.ResourceExhausted,
};

/** Says refusals in the protocol's own codes; anything unforeseen stays inside. */
export function toConnectError(error: unknown): unknown {
  if (!HostError.isInstance(error)) return error;
  return new ConnectError(error.message, codes[error.status] ?? Code.Internal);
}

export const reportErrors: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    throw toConnectError(error);
  }
};
