import type { Capabilities } from '../engine.js';
import type { EngineFixture } from '../testing/engine-fixture.js';

/** Skips a test of what the engine does not enforce on this machine, with the reason that the engine gives. */
export function skipUnless(
  { engine }: EngineFixture,
  what: keyof Capabilities,
  skip: (condition: boolean, note: string) => void,
): void {
  const { level, reason } = engine.capabilities[what];
  skip(level !== 'enforced', `${what} is ${level}: ${reason}`);
}
