import { InvocationError } from './invocation-error.js';

/** A stream ended before the agent said that it was done, and could not be taken up again. What came is not all. */
export class StreamInterruptedError extends InvocationError {
  static override readonly kind: string = 'StreamInterruptedError';
  override readonly code = 'stream_interrupted' as const;
}
