import { constants } from 'node:os';

/** The name of a signal by its number, such as `SIGKILL`; real-time signals have none and are `signal 34`. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}
