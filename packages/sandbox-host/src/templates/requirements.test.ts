import type { Capabilities } from '@sandpiper/sandbox-engine/engine';
import { expect, test } from 'vitest';
import { requirementsSchema, unmetRequirements } from './requirements.js';

const enforced = { level: 'enforced', reason: 'control groups' } as const;
const capabilities: Capabilities = {
  isolation: enforced,
  limits: { level: 'advisory', reason: 'only cpu is limited' },
  disk: { level: 'enforced', reason: 'a disk' },
  network: { level: 'absent', reason: 'nft is missing (Debian: nftables)' },
  freeze: enforced,
  hibernate: enforced,
  checkpoint: enforced,
};

test('what a host keeps to meets what a template requires, and no less does', () => {
  expect(unmetRequirements({}, capabilities)).toEqual([]);
  expect(unmetRequirements({ isolation: 'enforced', limits: 'advisory' }, capabilities)).toEqual([]);
  expect(unmetRequirements({ limits: 'enforced', network: 'advisory' }, capabilities)).toEqual([
    'The template requires limits to be enforced; on this host it is advisory: only cpu is limited.',
    'The template requires network to be advisory; on this host it is absent: nft is missing (Debian: nftables).',
  ]);
});

test('a requirement that nobody knows is an error, not a wish', () => {
  expect(requirementsSchema.safeParse({ isolation: 'enforced' }).success).toBe(true);
  expect(requirementsSchema.safeParse({ isolaton: 'enforced' }).success).toBe(false);
  expect(requirementsSchema.safeParse({ isolation: 'absent' }).success).toBe(false);
});
