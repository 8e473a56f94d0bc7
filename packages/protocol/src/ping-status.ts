/** How an agent is: idle, or at work (docs/wire-protocol.md, "Health"). */
export const PingStatus = { Healthy: 'Healthy', HealthyBusy: 'HealthyBusy' } as const;
export type PingStatus = (typeof PingStatus)[keyof typeof PingStatus];

/** `ok`, `up` and `busy` are what PPIO's own client reads so. */
const spellings: Record<string, PingStatus> = {
  healthy: 'Healthy',
  ok: 'Healthy',
  up: 'Healthy',
  healthybusy: 'HealthyBusy',
  busy: 'HealthyBusy',
};

/**
 * Reads a status in any letter case, with or without an underscore: Python agents answer `healthy` and
 * `HEALTHY_BUSY`. @returns Undefined for what is no status.
 */
export function parsePingStatus(text: string): PingStatus | undefined {
  const plain = text.replace('_', '').toLowerCase();
  return Object.hasOwn(spellings, plain) ? spellings[plain] : undefined;
}
