/** What an invocation took, as its handler says. */
export interface Usage {
  /** Of all models that were asked. */
  tokensUsed?: number | undefined;
  /** In the currency that agent and caller agree on. */
  cost?: number | undefined;
  /** Of the time, what was spent working, in seconds. */
  processingTimeSeconds?: number | undefined;
  /** Of the time, what was spent waiting, in seconds. */
  queueTimeSeconds?: number | undefined;
}

const wireNames = {
  tokensUsed: 'tokens_used',
  cost: 'cost',
  processingTimeSeconds: 'processing_time',
  queueTimeSeconds: 'queue_time',
} as const;

/** A usage in the wire's spelling (docs/wire-protocol.md, "Responses"). */
export type WireUsage = Partial<Record<(typeof wireNames)[keyof typeof wireNames], number>>;

/** Translates a usage. @throws TypeError for what is no usage: the caller would read nothing, or what is no number. */
export function toWireUsage(usage: Usage): WireUsage {
  const wire: WireUsage = {};
  for (const [name, value] of Object.entries(usage)) {
    const wireName = Object.hasOwn(wireNames, name) ? wireNames[name as keyof typeof wireNames] : undefined;
    if (!wireName) {
      throw new TypeError(`context.usage() takes ${Object.keys(wireNames).join(', ')}, not ${name}.`);
    }
    if (value === undefined) continue;
    if (typeof value !== 'number' || !(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      throw new TypeError(`context.usage(): ${name} must be a number from 0 on, not ${String(value)}.`);
    }
    wire[wireName] = value;
  }
  return wire;
}
