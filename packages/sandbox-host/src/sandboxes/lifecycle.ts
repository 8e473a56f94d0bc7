import type { SandboxEvent, SandboxState } from '../events/lifecycle-events.js';

/** Every step there is; what is not here cannot happen. */
const table: Record<SandboxState, Partial<Record<SandboxEvent, SandboxState>>> = {
  creating: { created: 'running', kill: 'killing' },
  running: { pause: 'pausing', kill: 'killing' },
  pausing: { paused: 'paused', failed: 'running', kill: 'killing' },
  paused: { resume: 'resuming', hibernated: 'hibernated', kill: 'killing' },
  hibernated: { resume: 'resuming', kill: 'killing' },
  resuming: { resumed: 'running', failed: 'paused', kill: 'killing' },
  killing: { killed: 'gone' },
  gone: {},
};

/** The state after an event; undefined where the event is not possible. */
export function nextState(state: SandboxState, event: SandboxEvent): SandboxState | undefined {
  return table[state][event];
}
