import type { Capabilities, MachineChange } from '@sandpiper/sandbox-engine/engine';
import type { Logger } from '@sandpiper/sandbox-engine/logger';

/** What has been said: every host of a process runs on the same machine. */
const said = new Set<string>();

/**
 * Logs what this machine does not enforce; the reasons are in `capabilities`. Without a logger it is a warning of the
 * process, once (`--no-warnings` silences it).
 */
export function warnNotEnforced(capabilities: Capabilities, logger?: Logger): void {
  const missing = Object.entries(capabilities).flatMap(([name, { level }]) =>
    level === 'enforced' ? [] : [`${name} is ${level}`],
  );
  const text = `Of sandboxes on this machine, ${missing.join(', ')} (GET /x/capabilities says why).`;
  if (missing.length === 0) return;
  if (logger) {
    logger.warn(text);
    return;
  }
  if (said.has(text)) return;
  said.add(text);
  process.emitWarning(text, { type: 'SandboxHostWarning', code: 'NOT_ENFORCED' });
}

/** Logs what the machine took away from sandboxes that live. */
export function reportMachineChange(
  logger: Logger,
  { what, outcome, reason, sandboxes, elapsedMs }: MachineChange,
): void {
  const about = `${what} of ${sandboxes} ${sandboxes === 1 ? 'sandbox' : 'sandboxes'}`;
  if (outcome === 'lost') logger.error(`Not enforced any more: the ${about}: ${reason}.`);
  else logger.warn(`Enforced again after ${elapsedMs} ms: the ${about}: ${reason}.`);
}
