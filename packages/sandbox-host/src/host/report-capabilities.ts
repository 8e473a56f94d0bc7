import type { Capabilities, MachineChange } from '@sandpiper/sandbox-engine/engine';

/** What has been said: every host of a process runs on the same machine. */
const said = new Set<string>();

/**
 * Says once, as a warning of the process (`--no-warnings` silences it), what this machine does not enforce; why is
 * told by `capabilities`.
 */
export function warnNotEnforced(capabilities: Capabilities): void {
  const missing = Object.entries(capabilities).flatMap(([name, { level }]) =>
    level === 'enforced' ? [] : [`${name} is ${level}`],
  );
  const text = `Of sandboxes on this machine, ${missing.join(', ')} (GET /x/capabilities says why).`;
  if (missing.length === 0 || said.has(text)) return;
  said.add(text);
  process.emitWarning(text, { type: 'SandboxHostWarning', code: 'NOT_ENFORCED' });
}

/** Logs what the machine took away from sandboxes that live. */
export function reportMachineChange({ what, outcome, reason, sandboxes, elapsedMs }: MachineChange): void {
  const about = `${what} of ${sandboxes} ${sandboxes === 1 ? 'sandbox' : 'sandboxes'}`;
  if (outcome === 'lost') console.error(`Not enforced any more: the ${about}: ${reason}.`);
  else console.warn(`Enforced again after ${elapsedMs} ms: the ${about}: ${reason}.`);
}
