import { expect, test } from 'vitest';
import { policyOf, restrictEgress } from './template-policy.js';

const template = (network?: unknown) => ({ metadata: network === undefined ? { agent: 1 } : { network } });

test('leaves alone what a sandbox asks when the template says nothing', () => {
  const asked = {
    network: { denyOut: ['10.0.0.0/8'], maskRequestHost: 'x' },
    allowInternetAccess: undefined,
  };
  expect(restrictEgress(template(), asked)).toBe(asked);
});

test('keeps a template from the network whatever the sandbox asks', () => {
  const closed = template({ allowInternetAccess: false });
  for (const allowInternetAccess of [undefined, true, false]) {
    const given = restrictEgress(closed, { network: { allowOut: ['0.0.0.0/0'] }, allowInternetAccess });
    expect(given).toEqual({ network: { allowOut: [], denyOut: [] }, allowInternetAccess: false });
  }
});

test("leaves open a closed template's exceptions, and of those only what a sandbox excepts, too", () => {
  const closed = template({ allowInternetAccess: false, allowOut: ['api.example', '192.0.2.1'] });
  expect(restrictEgress(closed, { network: {}, allowInternetAccess: undefined }).network.allowOut).toEqual([
    'api.example',
    '192.0.2.1',
  ]);
  const asked = { network: { allowOut: ['192.0.2.1', 'other.example'] }, allowInternetAccess: false };
  expect(restrictEgress(closed, asked).network.allowOut).toEqual(['192.0.2.1']);
  expect(restrictEgress(closed, { network: {}, allowInternetAccess: false }).network.allowOut).toEqual([]);
});

test('denies what either denies', () => {
  const walled = template({ denyOut: ['10.0.0.0/8'] });
  expect(
    restrictEgress(walled, {
      network: { denyOut: ['192.0.2.0/24', '10.0.0.0/8'] },
      allowInternetAccess: undefined,
    }),
  ).toEqual({
    network: { allowOut: [], denyOut: ['10.0.0.0/8', '192.0.2.0/24'] },
    allowInternetAccess: undefined,
  });
});

test('lets a sandbox of an open template close itself, with exceptions of its own', () => {
  const asked = { network: { allowOut: ['api.example'] }, allowInternetAccess: false };
  expect(restrictEgress(template({ allowInternetAccess: true }), asked)).toEqual({
    network: { allowOut: ['api.example'], denyOut: [] },
    allowInternetAccess: false,
  });
});

test('refuses rules it does not understand, by name', () => {
  expect(() => policyOf({ agent: 'smith', network: { allowOut: [] } })).not.toThrow();
  expect(() => policyOf({ network: { allowInternetAcess: false } })).toThrow(
    /metadata.network.*allowInternetAcess/,
  );
  expect(() => policyOf({ network: { denyOut: 'all' } })).toThrow(/metadata.network.denyOut/);
});
