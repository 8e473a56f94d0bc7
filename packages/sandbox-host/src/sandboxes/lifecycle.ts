/** What a sandbox can be. */
export type SandboxState = 'creating' | 'running' | 'pausing' | 'paused' | 'resuming' | 'killing' | 'gone';

/** What can happen to a sandbox. */
export type SandboxEvent =
  | 'created'
  | 'pause'
  | 'paused'
  | 'resume'
  | 'resumed'
  | 'failed'
  | 'kill'
  | 'killed';

/** Every step there is; what is not here cannot happen. */
const table: Record<SandboxState, Partial<Record<SandboxEvent, SandboxState>>> = {
  creating: { created: 'running', failed: 'killing', kill: 'killing' },
  running: { pause: 'pausing', kill: 'killing' },
  pausing: { paused: 'paused', failed: 'running' },
  paused: { resume: 'resuming', kill: 'killing' },
  resuming: { resumed: 'running', failed: 'paused' },
  killing: { killed: 'gone' },
  gone: {},
};

/** The state after an event; undefined where the event is not possible. */
export function nextState(state: SandboxState, event: SandboxEvent): SandboxState | undefined {
  return table[state][event];
}
