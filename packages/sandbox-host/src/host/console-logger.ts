import type { Logger } from '@sandpiper/sandbox-engine/logger';

type Level = keyof Logger;

function at(level: Level): Logger[Level] {
  return (first: string | Record<string, unknown>, message = '') => {
    if (typeof first === 'string') return console[level](first);
    const { err, ...fields } = first;
    const details = [
      ...(err === undefined ? [] : [err]),
      ...(Object.keys(fields).length > 0 ? [fields] : []),
    ];
    console[level](details.length > 0 ? `${message}:` : message, ...details);
  };
}

/** Lines for people, on the console: a message, then the error as Node.js prints it. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: at('info'),
  warn: at('warn'),
  error: at('error'),
};
