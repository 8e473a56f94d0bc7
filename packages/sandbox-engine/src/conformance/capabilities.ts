import { describe, expect, test } from 'vitest';
import type { Capabilities } from '../engine.js';
import type { EngineFixture } from '../testing/engine-fixture.js';

const every: (keyof Capabilities)[] = [
  'isolation',
  'limits',
  'disk',
  'network',
  'freeze',
  'hibernate',
  'checkpoint',
];

/** What an engine says of itself: tests of what it does not enforce are skipped with the reasons it gives here. */
export function describeCapabilities(fixture: EngineFixture): void {
  describe('the capabilities of an engine', () => {
    test.each(every)('have a level and a reason: %s', (what) => {
      expect(fixture.engine.capabilities[what]).toEqual({
        level: expect.stringMatching(/^(enforced|advisory|absent)$/),
        reason: expect.stringMatching(/./),
      });
    });
  });
}
