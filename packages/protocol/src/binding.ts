/**
 * The environment variable that holds an agent back until it is bound: an agent that is started with it was started
 * before it was known for whom, and takes its secrets by `POST` {@link bindPath} from the holder of this token.
 */
export const bindTokenVariable = 'AGENT_RUNTIME_BIND_TOKEN';

/** Where an agent that waits in a pool is bound to its sandbox: once, with `Authorization: Bearer <token>`. Responds 204. */
export const bindPath = '/bind';

/** The body of `POST /bind`. */
export interface BindRequest {
  /** The sandbox's id from now on, where it differs from the one it was started with. */
  sandbox_id?: string | undefined;
  /** Variables for the agent's environment. */
  env?: Record<string, string> | undefined;
  /** What the sandbox was asked for with. */
  metadata?: Record<string, string> | undefined;
}
