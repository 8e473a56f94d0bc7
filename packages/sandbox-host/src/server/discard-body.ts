import type { IncomingMessage } from 'node:http';

/** How much of a body is read after the response to its request, in bytes, and for how long. */
export interface DiscardLimits {
  bytes: number;
  ms: number;
}

const usual: DiscardLimits = { bytes: 64 * 1024 * 1024, ms: 10_000 };
const lookMs = 250;

/**
 * Reads what is left of a body whose request has been answered, and throws it away. Many clients listen only when they
 * have sent all, and a connection that is closed on bytes that nobody has read takes the answer with it (RFC 9112,
 * section 9.6). One that goes on beyond all limits is cut.
 */
export function discardBody(request: IncomingMessage, limits: DiscardLimits = usual): void {
  const { socket } = request;
  const bytes = socket.bytesRead;
  const until = performance.now() + limits.ms;
  request.unpipe();
  request.resume();
  const timer = setInterval(() => {
    const isLate = socket.bytesRead - bytes > limits.bytes || performance.now() > until;
    if (!request.complete && !socket.destroyed && !isLate) return;
    clearInterval(timer);
    if (!request.complete) socket.destroy();
  }, lookMs);
  timer.unref();
}

/** Whether a request has a body, of any length. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}
