import type { LogFunction, Logger } from '@sandpiper/protocol';
import { toJson } from '../json/to-json.js';

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
