import type { Guard } from './auth/authenticator.js';
import type { Incoming } from './http/incoming.js';
import type { Reply } from './http/reply.js';
import type { Gauges, Metrics } from './metrics/metrics.js';
import type { WebSockets } from './websocket/websockets.js';

/** What only some platforms have; the rest of the runtime needs none of it. */
export interface Platform {
  /** Opens a port. Rejects when the address is taken. */
  listen(options: ListenOptions): Promise<Listener>;
  /** Closes and exits when the process gets a signal to end. @returns Stops listening to signals. */
  exitOnSignals(close: () => Promise<void>): () => void;
  createMetrics(gauges: Gauges): Promise<Metrics>;
}

/** What a port is opened with. */
export interface ListenOptions {
  readonly port: number;
  readonly host: string;
  readonly webSockets: WebSockets;
  /** What a request to speak another protocol must get past. */
  readonly guard: Guard;
  /** How many bytes may wait for a slow reader of a stream. */
  readonly bufferBytes: number;
  /** The largest WebSocket message, in bytes. */
  readonly maxMessageSize: number;
  /** How long a connection has for the head of a request, in milliseconds. Default: 15,000. */
  readonly headMs?: number;
  answer(incoming: Incoming): Reply | Promise<Reply>;
}

/** An open port. */
export interface Listener {
  readonly port: number;
  readonly host: string;
  /**
   * Takes no more connections, from the moment it resolves on. Those that are open go on, each to the end of its
   * request; what comes meanwhile is held, and answered then.
   */
  stopAccepting(): Promise<void>;
  /** Answers what is still on its way on open connections, and closes each once what was written to it has left. */
  close(): Promise<void>;
}
