import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';

/** The codes of Connect that are used here, and the HTTP statuses of the answers that are one message. */
const statuses = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 400,
  resource_exhausted: 429,
  internal: 500,
  unimplemented: 501,
  unavailable: 503,
  deadline_exceeded: 504,
} as const;

export type ConnectCode = keyof typeof statuses;

const codes: Record<number, ConnectCode> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  409: 'already_exists',
  429: 'resource_exhausted',
  501: 'unimplemented',
  // To E2B's SDKs `unavailable` says that the sandbox is gone; what the host lacks is there again later.
  503: 'resource_exhausted',
  // To E2B's SDKs `resource_exhausted` is too many requests; a full disk is something else.
  507: 'internal',
};

/** A refusal in the protocol's own words. */
export class ConnectError extends Error {
  constructor(
    message: string,
    readonly code: ConnectCode,
  ) {
    super(message);
    this.name = 'ConnectError';
  }

  get status(): number {
    return statuses[this.code];
  }

  toJSON(): { code: ConnectCode; message: string } {
    return { code: this.code, message: this.message };
  }

  /** Says any error so; what is unforeseen stays inside. */
  static from(error: unknown): ConnectError {
    if (error instanceof ConnectError) return error;
    const known = HostError.isInstance(error) ? error : shortageOf(error);
    if (known) return new ConnectError(known.message, codes[known.status] ?? 'internal');
    return new ConnectError('The sandbox host failed; its log says more.', 'internal');
  }
}
