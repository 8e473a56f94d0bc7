import type { MachineChange } from '@sandpiper/sandbox-engine/engine';
import type { Logger } from '@sandpiper/sandbox-engine/logger';
import type { ApiDecision, ApiEvents } from '../events/api-events.js';
import type { GatewayDecision, GatewayEvents } from '../events/gateway-events.js';
import type {
  CreatePhase,
  LifecycleEvents,
  SandboxFacts,
  SandboxState,
  Transition,
} from '../events/lifecycle-events.js';
import type { MachineEvents } from '../events/machine-events.js';
import type { AuditEntry } from './audit-line.js';
import type { AuditLog } from './audit-log.js';
import { DecisionTally } from './decision-tally.js';

/** What is listened to. */
export interface AuditSources {
  logger: Logger;
  api: ApiEvents;
  gateway: GatewayEvents;
  lifecycle: LifecycleEvents;
  machine: MachineEvents;
}

/**
 * Writes what was decided into a log: each change that was asked for and each step of a sandbox on a line of its
 * own, reads and requests for ports counted by sandbox and outcome. @returns what ends it.
 */
export function recordDecisions(log: AuditLog, sources: AuditSources): () => void {
  const { logger, api, gateway, lifecycle, machine } = sources;
  /** What is decided and done does not hang on whether it can be written down. */
  const append = (entry: AuditEntry): void => {
    try {
      log.append(entry);
    } catch (error) {
      logger.error({ err: error }, 'The audit log cannot be written');
    }
  };
  const tally = new DecisionTally(append);

  const onCall = (decision: ApiDecision): void => {
    const { actor, action, changes, sandboxId, status, requestId } = decision;
    const entry = () => ({
      actor: actor ?? 'anonymous',
      action,
      // A caller without a key could name any number of sandboxes.
      sandbox: actor === undefined ? undefined : sandboxId,
      outcome: String(status),
      request: requestId,
    });
    if (changes && actor !== undefined) append(entry());
    else tally.add(`${actor} ${action} ${actor && status < 400 ? sandboxId : ''} ${status}`, entry);
  };

  const onRequest = ({ sandboxId, target, tokenId, refusal }: GatewayDecision): void => {
    tally.add(`${sandboxId} ${target} ${refusal}`, () => ({
      // A caller with the token, or where there is none, any caller.
      actor: refusal === undefined ? (tokenId ?? 'anonymous') : 'anonymous',
      action: `gateway.${target}`,
      sandbox: sandboxId,
      outcome: refusal === undefined ? 'admitted' : String(refusal),
    }));
  };

  const onStep = ({ sandbox, event, to, cause }: Transition): void => {
    append({
      actor: 'host',
      action: `sandbox.${event}`,
      sandbox: sandbox.id,
      outcome: to,
      reason: cause,
    });
  };

  /** A step that its host had no time to write down is seen in what it led to. */
  const onAdopted = ({ id }: SandboxFacts, state: SandboxState): void => {
    append({ actor: 'host', action: 'sandbox.adopted', sandbox: id, outcome: state, reason: 'recovery' });
  };

  const onClaim = ({ sandboxId, state, phase }: CreatePhase): void => {
    if (phase !== 'claim') return;
    append({ actor: 'host', action: 'sandbox.claim', sandbox: sandboxId, outcome: state });
  };

  const onChange = ({ what, outcome, reason }: MachineChange): void => {
    append({ actor: 'machine', action: `machine.${what}`, outcome, reason });
  };

  api.on('decision', onCall);
  machine.on('change', onChange);
  gateway.on('decision', onRequest);
  lifecycle.on('transition', onStep).on('adopted', onAdopted).on('phase', onClaim);
  return () => {
    api.off('decision', onCall);
    machine.off('change', onChange);
    gateway.off('decision', onRequest);
    lifecycle.off('transition', onStep).off('adopted', onAdopted).off('phase', onClaim);
    tally.close();
  };
}
