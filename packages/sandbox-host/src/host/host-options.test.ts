import { expect, test } from 'vitest';
import { createSandboxHost } from '../index.js';

test.each([
  ['apiKey', ''],
  ['apiKey', ' '],
  ['isolation', 'namespace'],
  ['isolation', 'vm'],
  ['port', Number.NaN],
  ['port', -1],
  ['port', 65_536],
  ['swapFileMB', 1.5],
  ['swapFileMB', -1],
  ['maxAgeMs', -1],
  ['maxAgeMs', Number.NaN],
  ['hibernateAfterMs', '5'],
  ['stopGraceMs', -1],
  ['idle', { idleMs: 1, action: 'stop' }],
  ['idle', { idleMs: -1, action: 'kill' }],
  ['idle', { idleMs: 1, action: 'kill', more: 1 }],
  ['domain', 'https://sandboxes.example'],
  ['domain', 'sandboxes.example/'],
  ['pools', { base: { min: -1 } }],
  ['pools', { base: { min: 1, more: 1 } }],
  ['openMetrics', 'no'],
  ['isolatoin', 'none'],
])('an option that is not understood is refused by its name: %s %j', async (name, value) => {
  await expect(createSandboxHost({ [name]: value })).rejects.toThrow(name);
});
