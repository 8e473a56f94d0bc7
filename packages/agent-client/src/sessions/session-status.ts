/**
 * How a session is: `active`, its agent answers; `paused`, its sandbox keeps its state and does nothing; `inactive`, its
 * sandbox runs but no agent listens; `closed`, its sandbox is gone; `error`, its agent is unwell or cannot be asked.
 */
export type SessionStatus = 'active' | 'paused' | 'inactive' | 'closed' | 'error';
