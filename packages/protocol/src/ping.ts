import * as z from 'zod';
import { PingStatus, parsePingStatus } from './ping-status.js';

/** The body of `GET /ping`. */
export interface PingResponse {
  status: PingStatus;
  /** Why, in the agent's words. */
  message?: string | undefined;
  /** When this response was made, ISO 8601. */
  timestamp?: string | undefined;
  /** When `status` last changed, in Unix seconds. Platforms judge idleness by it. */
  time_of_last_update?: number | undefined;
}

const status: z.ZodType<PingStatus, unknown> = z
  .string()
  .transform((text) => parsePingStatus(text) ?? text)
  .pipe(z.enum(PingStatus));

/**
 * Reads any agent's answer to `GET /ping`. Only `status` decides whether it is one: the other fields that we know are
 * left out when they are of another type (PPIO's server sends `"message": null`), and fields that we do not know are kept.
 */
export const pingResponseSchema: z.ZodType<PingResponse, unknown> = z.looseObject({
  status,
  message: z.string().optional().catch(undefined),
  timestamp: z.string().optional().catch(undefined),
  time_of_last_update: z.number().optional().catch(undefined),
});
