/** What a sandbox can be. */
export type SandboxState =
  /** Being started; nobody is told of it yet. */
  | 'creating'
  | 'running'
  | 'pausing'
  /** Its processes stand still, or only its files are kept. */
  | 'paused'
  /** Paused, and its memory is out of the way. */
  | 'hibernated'
  | 'resuming'
  | 'killing'
  | 'gone';

/** What can happen to a sandbox. */
export type SandboxEvent =
  | 'created'
  | 'pause'
  | 'paused'
  | 'hibernated'
  | 'resume'
  | 'resumed'
  | 'failed'
  | 'kill'
  | 'killed';

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
