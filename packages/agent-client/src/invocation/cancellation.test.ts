import { expect, test } from 'vitest';
import { Cancellation } from './cancellation.js';

test('a cancellation tells its signal and its listeners once, and of the first reason', () => {
  const cancellation = new Cancellation();
  const { signal } = cancellation;
  const told: unknown[] = [];
  const left = (): void => void told.push('left');
  cancellation.addEventListener('abort', () => told.push(cancellation.reason));
  cancellation.addEventListener('abort', left);
  cancellation.removeEventListener('abort', left);
  cancellation.throwIfAborted();
  cancellation.abort('first');
  cancellation.abort('second');
  expect(told).toEqual(['first']);
  expect(signal.reason).toBe('first');
  expect(() => cancellation.throwIfAborted()).toThrow('first');
});

test('a signal that is asked for after the end has ended too', () => {
  const cancellation = new Cancellation();
  cancellation.abort('over');
  expect(cancellation.signal.aborted).toBe(true);
  expect(cancellation.signal.reason).toBe('over');
});
