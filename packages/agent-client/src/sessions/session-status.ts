/**
 * How a session is: `active`, its agent responds; `paused`, its sandbox keeps its state and does nothing; `inactive`, its
 * sandbox runs but no agent listens; `closed`, its sandbox is gone; `error`, its agent is unwell or cannot be asked.
 */
export const SessionStatus = {
  Active: 'active',
  Paused: 'paused',
  Inactive: 'inactive',
  Closed: 'closed',
  Error: 'error',
} as const;
export type SessionStatus = (typeof SessionStatus)[keyof typeof SessionStatus];
