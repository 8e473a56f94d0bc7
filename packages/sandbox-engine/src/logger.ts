import type { Logger } from '@sandpiper/protocol';

export type { Logger };

/** What reports a failure that nobody waits for, for `catch`. */
export function logFailure(logger: Logger, message: string): (error: unknown) => void {
  return (error) => logger.error({ err: error }, message);
}
