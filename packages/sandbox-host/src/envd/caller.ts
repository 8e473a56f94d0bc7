import {
  Code,
  ConnectError,
  type ContextKey,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from '@connectrpc/connect';
import type { SandboxUser } from '../engines/user.js';
import { HostError } from '../errors.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { parseUser } from './paths.js';

/** Which sandbox a call is for, and as whom. */
interface Caller {
  sandbox: Sandbox;
  /** As it was given, if it was. */
  username: string | undefined;
}

/** Carries the caller from the door to the services. */
export const callerKey: ContextKey<Caller | undefined> = createContextKey<Caller | undefined>(undefined);

/** Who calls a service. @throws HostError 401 for a user that is not in the sandbox. */
export function callerOf(context: HandlerContext): { sandbox: Sandbox; user: SandboxUser } {
  const caller = context.values.get(callerKey);
  if (!caller) throw new ConnectError('No sandbox was named.', Code.Internal);
  return { sandbox: caller.sandbox, user: parseUser(caller.username, caller.sandbox.settings.user) };
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

/** Says refusals in the protocol's own codes, before and during a stream; anything unforeseen stays inside. */
export const reportErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: reportStreamErrors(response.message) } : response;
  } catch (error) {
    throw toConnectError(error);
  }
};

async function* reportStreamErrors<T>(messages: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* messages;
  } catch (error) {
    throw toConnectError(error);
  }
}

function toConnectError(error: unknown): unknown {
  if (!HostError.isInstance(error)) return error;
  return new ConnectError(error.message, codes[error.status] ?? Code.Internal);
}
