/** How a resumable stream ends (docs/wire-protocol.md, "Resumable frames"). */
export type FinalEvent = 'done' | 'error';

/** One frame of a stream: the fields of a server-sent event. */
export interface Frame {
  /** The payload: JSON text from our own runtime, any text from another server. */
  data: string;
  /** The place in the invocation's event log, counted from 1; only in resumable streams. */
  id?: string | undefined;
  /** Absent for a value; `done` or `error` at the end of a resumable stream; a foreign server's own otherwise. */
  event?: string | undefined;
}
