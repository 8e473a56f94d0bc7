import { type BindRequest, bindTokenVariable, refusals } from '@sandpiper/protocol';
import * as z from 'zod/mini';
import { bearerToken, isSecret, unauthorized } from '../auth/bearer-token.js';
import { checkInput } from '../entrypoint/input-schema.js';
import { environment } from '../environment.js';
import { RequestError } from '../errors/request-error.js';
import { unavailable } from '../errors/unavailable.js';
import type { Incoming } from '../http/incoming.js';
import { parseBody } from '../http/parse-body.js';
import type { Reply } from '../http/reply.js';

/** What an agent that waited in a pool is bound to. */
export interface Binding {
  /** The sandbox it runs in. */
  readonly sandboxId: string | undefined;
  /** The variables that are in `process.env` now. */
  readonly env: Readonly<Record<string, string>>;
  /** What the sandbox was asked for with. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Something to do when the agent is bound to its sandbox. */
export type BindHook = (binding: Binding) => void | Promise<void>;

// What no environment can hold is refused here, because setting it would quietly do nothing.
const variables = z.record(
  z.string().check(z.regex(/^[^=\0]+$/)),
  z.string().check(z.refine((value) => !value.includes('\0'), 'must not have a zero byte')),
);

const bindRequestSchema: z.ZodMiniType<BindRequest> = z.strictObject({
  sandbox_id: z.optional(z.string().check(z.minLength(1))),
  env: z.optional(variables),
  metadata: z.optional(z.record(z.string(), z.string())),
});

/**
 * Holds back an agent that was started for a pool until it is bound, once, to its sandbox: so that its secrets come
 * with its owner, and none waits in the pool.
 */
export class Binder {
  readonly hooks: BindHook[] = [];
  /** Taken out of the environment: what the agent starts does not inherit it. Undefined for an agent of no pool. */
  readonly #token = takeToken();
  readonly #maxBytes: number;
  #state: 'unbound' | 'binding' | 'bound' = this.#token === undefined ? 'bound' : 'unbound';

  /** @param maxBytes - How large the body of `POST /bind` may be. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether this agent was started for a pool. */
  get isPooled(): boolean {
    return this.#token !== undefined;
  }

  /** @throws RequestError 503 until the agent is bound. */
  check(): void {
    if (this.#state !== 'bound') throw unavailable(`The agent waits to be bound (${bindTokenVariable}).`);
  }

  /**
   * Answers `POST /bind`. A hook that throws leaves the agent unbound for good: it may have half of what it needs.
   *
   * @throws RequestError 401 without the token, 409 when it was used; ValidationError; what a hook throws.
   */
  async bind(incoming: Incoming): Promise<Reply> {
    if (!(await isSecret(bearerToken(incoming), this.#token ?? ''))) throw unauthorized(bindTokenVariable);
    const body = parseBody(await incoming.readText(this.#maxBytes));
    const { sandbox_id: sandboxId, env = {}, metadata = {} } = await checkInput(bindRequestSchema, body);
    if (this.#state !== 'unbound') throw new RequestError(409, refusals.alreadyBound, 'The agent is bound.');
    this.#state = 'binding';
    const environ = environment();
    Object.assign(environ, env, sandboxId !== undefined && { E2B_SANDBOX_ID: sandboxId });
    for (const hook of this.hooks) await hook({ sandboxId: environ.E2B_SANDBOX_ID, env, metadata });
    this.#state = 'bound';
    return { kind: 'body', status: 204, headers: [], body: '' };
  }
}

function takeToken(): string | undefined {
  const env = environment();
  const token = env[bindTokenVariable] || undefined;
  delete env[bindTokenVariable];
  return token;
}
