/** Writes one line of a log: a message, or fields and a message, in pino's order of arguments. */
export interface LogFunction {
  (message: string): void;
  (fields: Record<string, unknown>, message?: string): void;
}

/** Where log lines go. A pino logger is one, and so is `console`. */
export interface Logger {
  debug: LogFunction;
  info: LogFunction;
  warn: LogFunction;
  error: LogFunction;
}
