import * as z from 'zod';
import { PingStatus, parsePingStatus } from './ping-status.js';

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

/** A status in any letter case, with or without an underscore. */
export const pingStatusSchema: z.ZodType<PingStatus, unknown> = z
  .string()
  .transform((text) => parsePingStatus(text) ?? text)
  .pipe(z.enum(PingStatus));

/** Reads any agent's answer to `GET /ping`; fields it does not know are kept. */
export const pingResponseSchema: z.ZodType<PingResponse, unknown> = z.looseObject({
  status: pingStatusSchema,
  message: z.string().optional(),
  timestamp: z.string().optional(),
  time_of_last_update: z.number().optional(),
});
