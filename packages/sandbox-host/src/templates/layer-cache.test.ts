import type { Image } from '@sandpiper/sandbox-engine/engine';
import { expect, test } from 'vitest';
import type { BuildState } from './build-steps.js';
import { type CachedLayer, LayerCache, layerKey } from './layer-cache.js';

function makeCache(limits: { count: number; bytes: number }, store = new Map<string, CachedLayer>()) {
  const released: Image[] = [];
  const cache = new LayerCache({
    store: {
      ...bound(store),
      put: (key, layer) => void store.set(key, layer),
      change: (_, __, apply) => apply(),
    },
    measure: async ({ layers }) => Number(layers.at(-1)?.split('-')[1] ?? 0),
    release: async (image) => void released.push(image),
    limits,
  });
  return { cache, released, store };
}
const bound = (store: Map<string, CachedLayer>) => ({
  get: (key: string) => store.get(key),
  delete: (key: string) => store.delete(key),
  values: () => store.values(),
});
const image = (layer: string): Image => ({ layers: ['base', layer] });

test('lets go what was not used for longest when there are too many', async () => {
  const { cache, released } = makeCache({ count: 2, bytes: 1_000 });
  await cache.put('a', image('a-1'));
  await cache.put('b', image('b-1'));
  expect(cache.find('a')).toEqual(image('a-1'));
  await cache.put('c', image('c-1'));
  expect(released).toEqual([image('b-1')]);
  expect(cache.find('b')).toBeUndefined();
  expect(cache.images()).toHaveLength(2);
});

test('lets go as much as is needed for the room, but never what was just made', async () => {
  const { cache, released } = makeCache({ count: 10, bytes: 100 });
  await cache.put('a', image('a-40'));
  await cache.put('b', image('b-40'));
  await cache.put('c', image('c-50'));
  expect(released).toEqual([image('a-40')]);
  await cache.put('huge', image('huge-500'));
  expect(cache.images()).toEqual([image('huge-500')]);
});

test('remembers after a restart what was used last', async () => {
  const { cache, store } = makeCache({ count: 2, bytes: 1_000 });
  await cache.put('a', image('a-1'));
  await cache.put('b', image('b-1'));
  cache.find('a');
  const { cache: again } = makeCache({ count: 2, bytes: 1_000 }, store);
  await again.put('c', image('c-1'));
  expect(again.find('a')).toBeDefined();
  expect(again.find('b')).toBeUndefined();
});

test('tells steps apart by all that they depend on', () => {
  const state: BuildState = { envs: { A: '1', B: '2' }, workdir: '/home/user', user: 'user' };
  const step = { type: 'RUN', args: ['make'], filesHash: 'f1' };
  const key = layerKey(image('x'), state, step);
  expect(layerKey(image('x'), { ...state, envs: { B: '2', A: '1' } }, { ...step, type: 'run' })).toBe(key);
  const others = [
    layerKey(image('y'), state, step),
    layerKey(image('x'), { ...state, envs: { A: '1' } }, step),
    layerKey(image('x'), { ...state, workdir: '/' }, step),
    layerKey(image('x'), { ...state, user: 'root' }, step),
    layerKey(image('x'), state, { ...step, type: 'COPY' }),
    layerKey(image('x'), state, { ...step, args: ['make', 'all'] }),
    layerKey(image('x'), state, { ...step, filesHash: 'f2' }),
  ];
  expect(new Set([key, ...others]).size).toBe(others.length + 1);
});
