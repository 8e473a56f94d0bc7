import type { RequestContext } from '../context/request-context.js';

/** One WebSocket connection: messages come by iterating over it, until the other side closes. */
export interface AgentSocket extends AsyncIterable<string | Uint8Array> {
  /** Sends a message. Resolves when the network has taken it, so that awaiting it keeps pace with the reader. */
  send(message: string | Uint8Array): Promise<void>;
  /** Closes the connection. Default: 1000, a normal end. */
  close(code?: number, reason?: string): void;
}

/**
 * Speaks with one caller over `WS /ws`. When it returns the connection is closed with 1000, and with 1011 when it
 * throws (docs/wire-protocol.md, "WebSockets").
 */
export type WebSocketHandler = (socket: AgentSocket, context: RequestContext) => void | Promise<void>;
