import { AgentRuntimeError, type AgentRuntimeErrorOptions } from './agent-runtime-error.js';

/** One thing that is wrong with a value, and where in it. */
export interface ValidationIssue {
  /** Keys and indexes from the value's root; empty for the value itself. */
  path: (string | number)[];
  message: string;
}

/** A value is not of the shape that was asked for. */
export class ValidationError extends AgentRuntimeError {
  static override readonly kind: string = 'ValidationError';
  override readonly code = 'validation_error' as const;
  /** Everything that is wrong, not the first thing only. */
  readonly issues: readonly ValidationIssue[];

  constructor(
    message: string,
    options: AgentRuntimeErrorOptions & { issues?: readonly ValidationIssue[] } = {},
  ) {
    super(message, options);
    this.issues = options.issues ?? [];
  }
}
