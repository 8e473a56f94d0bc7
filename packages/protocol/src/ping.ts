import * as z from 'zod';

/** How an agent is: idle, or at work (contract, section 6). */
export const PingStatus = { Healthy: 'Healthy', HealthyBusy: 'HealthyBusy' } as const;
export type PingStatus = (typeof PingStatus)[keyof typeof PingStatus];

/** What `GET /ping` answers. */
export interface PingResponse {
  status: PingStatus;
  /** Why, in the agent's words. */
  message?: string | undefined;
  /** When this answer was given, ISO 8601. */
  timestamp?: string | undefined;
  /** When `status` last changed, in Unix seconds. Platforms judge idleness by it. */
  time_of_last_update?: number | undefined;
}

const spellings: Record<string, PingStatus> = { healthy: 'Healthy', healthybusy: 'HealthyBusy' };

/** A status in any letter case, with or without an underscore: Python agents answer `healthy` and `HEALTHY_BUSY`. */
export const pingStatusSchema: z.ZodType<PingStatus, unknown> = z
  .string()
  .transform((text) => spellings[text.replace('_', '').toLowerCase()] ?? text)
  .pipe(z.enum(['Healthy', 'HealthyBusy']));

/** Reads any agent's answer to `GET /ping`; fields it does not know are kept. */
export const pingResponseSchema: z.ZodType<PingResponse, unknown> = z.looseObject({
  status: pingStatusSchema,
  message: z.string().optional(),
  timestamp: z.string().optional(),
  time_of_last_update: z.number().optional(),
});
