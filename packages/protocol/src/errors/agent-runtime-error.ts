/** Facts an error can carry besides its message. */
export interface AgentRuntimeErrorOptions {
  /** The HTTP status it came with. */
  status?: number | undefined;
  requestId?: string | undefined;
  invocationId?: string | undefined;
  sandboxId?: string | undefined;
  /** Whether the same call may be made again without running anything twice. Default: false. */
  retryable?: boolean | undefined;
  cause?: unknown;
}

// Two copies of a package in one process have two classes of the same name: `instanceof` fails, this does not.
const kinds = Symbol.for('sandpiper.error.kinds');

/**
 * What every error of Sandpiper is. Tell them apart by class with `isInstance` (which holds across copies of
 * a package, where `instanceof` does not), or by `code`.
 */
export class AgentRuntimeError extends Error {
  /** The class's name, which a minifier leaves alone. */
  static readonly kind: string = 'AgentRuntimeError';

  /** A stable, machine-readable name of what went wrong. */
  readonly code: string = 'agent_runtime_error';
  declare readonly status?: number;
  declare readonly requestId?: string;
  declare readonly invocationId?: string;
  declare readonly sandboxId?: string;
  /** Whether the same call may be made again without running anything twice. */
  readonly retryable: boolean;

  constructor(message: string, options: AgentRuntimeErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.kind;
    this.retryable = options.retryable ?? false;
    if (options.status !== undefined) this.status = options.status;
    if (options.requestId !== undefined) this.requestId = options.requestId;
    if (options.invocationId !== undefined) this.invocationId = options.invocationId;
    if (options.sandboxId !== undefined) this.sandboxId = options.sandboxId;
    Object.defineProperty(this, kinds, { value: kindsOf(new.target) });
  }

  /** Whether a value is an error of this class, made by whichever copy of the package. */
  static isInstance<T extends AgentRuntimeError>(
    this: { readonly prototype: T; readonly kind: string },
    value: unknown,
  ): value is T {
    if (typeof value !== 'object' || value === null) return false;
    const found: unknown = Reflect.get(value, kinds);
    return Array.isArray(found) && found.includes(this.kind);
  }
}

function kindsOf(errorClass: typeof AgentRuntimeError): string[] {
  const names: string[] = [];
  let current: object | null = errorClass;
  while (current !== null && 'kind' in current && typeof current.kind === 'string') {
    names.push(current.kind);
    current = Object.getPrototypeOf(current);
  }
  return names;
}
