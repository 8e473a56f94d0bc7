import { toJson } from '../json/to-json.js';

/** Writes one line of a log: a message, or fields and a message. */
export interface LogFunction {
  (message: string): void;
  (fields: Record<string, unknown>, message?: string): void;
}

/** Where log lines go. A pino logger is one. */
export interface Logger {
  debug: LogFunction;
  info: LogFunction;
  warn: LogFunction;
  error: LogFunction;
}

type Level = keyof Logger;

function loggerOf(write: (level: Level, fields: Record<string, unknown>, message?: string) => void): Logger {
  const at =
    (level: Level): LogFunction =>
    (first: string | Record<string, unknown>, message?: string) =>
      typeof first === 'string' ? write(level, {}, first) : write(level, first, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A logger that writes a JSON object a line, to the standard error stream from `warn` on. */
export function jsonLogger(options: { debug: boolean }): Logger {
  return loggerOf((level, fields, message) => {
    if (level === 'debug' && !options.debug) return;
    const line = toJson({ level, time: new Date().toISOString(), msg: message, ...fields });
    if (level === 'warn' || level === 'error') console.error(line);
    else console.log(line);
  });
}

/** A logger that adds fields to every line. */
export function withFields(logger: Logger, fields: Record<string, unknown>): Logger {
  return loggerOf((level, more, message) => logger[level]({ ...fields, ...more }, message));
}
