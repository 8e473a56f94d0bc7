import { expect, test } from 'vitest';
import { holdsSandboxes } from './user-ids.js';

test.each([
  ['         0          0 4294967295\n', true, 'a machine'],
  ['         0    1000000 1000000000\n', true, 'a container of LXD'],
  ['0 1000 1\n1 100000 1000000000\n', true, 'a container with a map of two lines'],
  ['         0     100000      65536\n', false, 'a container of Docker with userns-remap'],
  ['0 1000 1\n1 100000 65536\n', false, 'a container without root'],
  ['0 0 268435456\n', false, 'one that ends where they begin'],
  ['0 0 268500000\n', false, 'one that holds their users and not who owns their namespaces'],
  ['', false, 'a map that was not written'],
])('%j has users for sandboxes: %s (%s)', (map, expected) => {
  expect(holdsSandboxes(map)).toBe(expected);
});
