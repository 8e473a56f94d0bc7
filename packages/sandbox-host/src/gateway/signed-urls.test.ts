import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { SignedUrls } from './signed-urls.js';

/** Sandboxes that count how often their token is asked for, which it is once for a signature that is tried. */
function sandboxes(count: number) {
  const counted = { tries: 0 };
  const all = Array.from({ length: count }, (_, index) => ({
    id: `s${index}`,
    get accessToken() {
      counted.tries += 1;
      return `token${index}`;
    },
  }));
  return { counted, find: (id: string) => all.find((one) => one.id === id), list: () => all, all };
}

function signed(token: string, path = '/a'): IncomingMessage {
  const digest = createHash('sha256').update(`${path}:read::${token}`).digest('base64').replace(/=+$/, '');
  return asked(`/files?path=${path}&signature=${encodeURIComponent(`v1_${digest}`)}`);
}
const asked = (url: string): IncomingMessage => ({ method: 'GET', url }) as IncomingMessage;

test('a signature is looked for among all sandboxes once', () => {
  const many = sandboxes(1000);
  const urls = new SignedUrls(many);
  expect(urls.find(signed('token999'))).toBe('s999');
  many.counted.tries = 0;
  for (let i = 0; i < 5; i++) expect(urls.find(signed('token999'))).toBe('s999');
  expect(many.counted.tries).toBe(5);
});

test('what cannot be a signature is looked for nowhere', () => {
  const many = sandboxes(1000);
  const urls = new SignedUrls(many);
  for (const signature of [
    '',
    'v1_',
    'x',
    `v2_${'a'.repeat(43)}`,
    `v1_${'a'.repeat(44)}`,
    `v1_${'-'.repeat(43)}`,
  ]) {
    expect(urls.find(asked(`/files?path=/a&signature=${signature}`))).toBeUndefined();
  }
  expect(urls.find(asked('/files'))).toBeUndefined();
  expect(many.counted.tries).toBe(0);
});

test('a signature of nobody is of nobody, and one whose sandbox has gone is of nobody any more', () => {
  const many = sandboxes(3);
  const urls = new SignedUrls(many);
  expect(urls.find(signed('another'))).toBeUndefined();
  expect(urls.find(signed('token1'))).toBe('s1');
  many.all.splice(1, 1);
  expect(urls.find(signed('token1'))).toBeUndefined();
});
