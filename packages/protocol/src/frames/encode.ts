import type { FinalEvent } from './frame.js';

/** Sent after a while of silence, so that nothing between the two ends takes quiet for death. */
export const heartbeatFrame = ': ping\n\n';

/**
 * Writes one frame as text.
 *
 * @param json - JSON text on one line, as `JSON.stringify` gives it. Line breaks would end the frame early.
 * @param id - The event's number in a resumable stream, from 1.
 * @param event - `done` or `error` for the last frame of a resumable stream.
 */
export function encodeFrame(json: string, id?: number, event?: FinalEvent): string {
  if (id === undefined) return `data: ${json}\n\n`;
  if (event === undefined) return `id: ${id}\ndata: ${json}\n\n`;
  return `event: ${event}\nid: ${id}\ndata: ${json}\n\n`;
}
