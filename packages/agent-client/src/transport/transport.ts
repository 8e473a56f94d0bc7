/** One HTTP request to a port of a sandbox. */
export interface TransportRequest {
  method: 'GET' | 'POST' | 'DELETE';
  /** Scheme, host and port. */
  origin: string;
  /** From the first `/` on. */
  path: string;
  headers: Record<string, string>;
  body?: string | undefined;
  /** Ends the exchange at any point; its reason is what the exchange fails with. */
  signal: ExchangeSignal;
  /** How long the response's headers may take, in milliseconds. 0: as long as it likes. */
  firstByteTimeoutMs: number;
}

/** What an exchange needs of an `AbortSignal`, and hence may be given one. */
export interface ExchangeSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options: { once: true }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Asks for bytes as they are: a stream that is compressed on its way arrives late, or by halves. */
export const uncompressed: Readonly<Record<string, string>> = { 'accept-encoding': 'identity' };

/** A response whose headers have come. */
export interface TransportResponse {
  status: number;
  /** @param name - In lower case. */
  header(name: string): string | undefined;
  body: ResponseBody;
}

/** The bytes of a response, read one piece at a time, never faster than they are asked for. */
export interface ResponseBody {
  /**
   * The next piece, or undefined after the last.
   *
   * @throws TransportFailure when the connection breaks or is silent for longer than {@link ResponseBody.idleTimeoutMs}.
   */
  read(): Promise<Uint8Array | undefined>;
  /** How long the server may be silent, in milliseconds. 0, as at first: as long as it likes. */
  idleTimeoutMs: number;
  /** Stops reading and drops the connection; after the end it does nothing. */
  cancel(): void;
}

/** Sends requests. The one seam between the rules of invocations and the library that moves the bytes. */
export interface Transport {
  /** @throws TransportFailure, or the signal's reason. */
  request(request: TransportRequest): Promise<TransportResponse>;
  /** Drops every connection, with what runs on it. */
  close(): Promise<void>;
}

/** What went wrong between this process and the server. */
export type TransportFailureKind =
  | 'network'
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  /** What came is whole, and not to be understood. */
  | 'unreadable';

/** An exchange that broke. Never reaches a user: `invocation/` makes one of the public errors of it. */
export class TransportFailure extends Error {
  readonly kind: TransportFailureKind;
  /** Whether any byte of the request may have reached the server: what decides if it may be sent again. */
  readonly sent: boolean;

  constructor(kind: TransportFailureKind, sent: boolean, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TransportFailure';
    this.kind = kind;
    this.sent = sent;
  }
}

/** The options a transport is made with. */
export interface TransportOptions {
  /** The most connections to one origin. */
  maxConnections: number;
  /** How long an unused connection is kept, in milliseconds. */
  keepAliveTimeoutMs: number;
  /** How long connecting may take, with TLS, in milliseconds. */
  connectTimeoutMs: number;
}
