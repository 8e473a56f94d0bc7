import { AgentRuntimeError, type AgentRuntimeErrorOptions } from '@sandpiper/protocol';

/** A request that is answered without running the handler, or an invocation that the runtime itself ended. */
export class RequestError extends AgentRuntimeError {
  static override readonly kind: string = 'RequestError';
  override readonly code = 'request_error' as const;
  declare readonly status: number;

  constructor(
    status: number,
    /** What the wire calls it: `error_type`. */
    readonly type: string,
    message: string,
    options: AgentRuntimeErrorOptions & { headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message, { ...options, status });
    // What ends an invocation is its signal's reason, and others know such reasons by their names, as `AbortError`.
    this.name = type;
    this.headers = options.headers ?? {};
  }

  /** Headers the answer carries, such as `Allow` or `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>;
}
