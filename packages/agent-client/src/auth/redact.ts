import type { AuthManager } from './auth-manager.js';

/** Takes the account's key out of a text that others wrote, before it may become a message or a log line. */
export function redact(text: string, { apiKey }: AuthManager): string {
  return text.replaceAll(apiKey, '[api key]');
}
