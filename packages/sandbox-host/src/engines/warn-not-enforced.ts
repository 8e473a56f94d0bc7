import type { Capabilities } from './engine.js';

/**
 * Says once, as a warning of the process (`--no-warnings` silences it), what this machine does not enforce.
 */
export function warnNotEnforced(capabilities: Capabilities): void {
  const missing = Object.entries(capabilities).flatMap(([name, { level, reason }]) =>
    level === 'enforced' ? [] : [`${name} is ${level} (${reason})`],
  );
  if (missing.length === 0) return;
  process.emitWarning(`Of sandboxes on this machine, ${missing.join('; ')}.`, {
    type: 'SandboxHostWarning',
    code: 'NOT_ENFORCED',
  });
}
