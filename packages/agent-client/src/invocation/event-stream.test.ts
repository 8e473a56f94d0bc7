import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { toEventResponse } from './event-stream.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function respond(frames: AsyncIterable<string>): { response: Response; cancelled: () => boolean } {
  let isCancelled = false;
  const cancel = async (): Promise<void> => {
    isCancelled = true;
  };
  return { response: toEventResponse(frames, cancel, {}, {}), cancelled: () => isCancelled };
}

async function* endless(): AsyncGenerator<string> {
  yield 'data: 1\n\n';
  await new Promise(() => {});
}

describe('a response of events', () => {
  test('leaves no timer when nobody reads it', async () => {
    respond(endless());
    await vi.advanceTimersByTimeAsync(60_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('has one heartbeat at a time for a reader that waits, and none after it left', async () => {
    const { response, cancelled } = respond(endless());
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe('data: 1\n\n');
    const next = reader?.read();
    await vi.advanceTimersByTimeAsync(15_000);
    expect((await next)?.value).toBe(': ping\n\n');
    await reader?.cancel();
    expect([cancelled(), vi.getTimerCount()]).toEqual([true, 0]);
    await vi.advanceTimersByTimeAsync(60_000);
  });

  test.each([
    [
      'its frames throw',
      async function* (): AsyncGenerator<string> {
        yield 'data: 1\n\n';
        throw new Error('no');
      },
    ],
    [
      'it has come to its end',
      async function* (): AsyncGenerator<string> {
        yield 'data: 1\n\n';
      },
    ],
  ])('leaves no timer when %s', async (_, frames) => {
    const { response } = respond(frames());
    await response.text().catch(() => {});
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is not to be compressed on its way', () => {
    expect(respond(endless()).response.headers.get('cache-control')).toBe('no-cache, no-transform');
  });
});
