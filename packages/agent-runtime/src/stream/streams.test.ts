import { connect } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { eventually } from '../../test/eventually.js';

const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

describe('what is streamed', () => {
  const sources: [string, () => unknown][] = [
    [
      'a generator',
      function* () {
        yield 1;
        yield 'two';
        yield { three: 3 };
      },
    ],
    [
      'an async generator',
      async function* () {
        yield 1;
        await sleep(1);
        yield 'two';
        yield { three: 3 };
      },
    ],
    [
      'a promise of a generator',
      async () =>
        (function* () {
          yield 1;
          yield 'two';
          yield { three: 3 };
        })(),
    ],
    ['an iterable', () => ({ [Symbol.iterator]: () => [1, 'two', { three: 3 }].values() })],
    [
      'an async iterable',
      () => ({
        async *[Symbol.asyncIterator]() {
          yield 1;
          yield 'two';
          yield { three: 3 };
        },
      }),
    ],
    [
      'a readable stream',
      () =>
        new ReadableStream({
          start(c) {
            c.enqueue(1);
            c.enqueue('two');
            c.enqueue({ three: 3 });
            c.close();
          },
        }),
    ],
  ];
  for (const [what, source] of sources) {
    eachServer(`${what} is, one frame a value, whatever the caller accepts`, async (serve) => {
      const send = await serve(agent(source));
      const response = await send('/invocations', post({}, { accept: 'application/json' }));
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
      expect(response.headers.get('x-accel-buffering')).toBe('no');
      expect(await response.text()).toBe('data: 1\n\ndata: "two"\n\ndata: {"three":3}\n\n');
    });
  }

  for (const value of ['text', [1, 2], new Map([['a', 1]]), new Set([1]), new Uint8Array(2)]) {
    eachServer(`a ${value.constructor.name} is not: it is one value`, async (serve) => {
      const send = await serve(agent(() => value));
      expect((await send('/invocations', post({}))).headers.get('content-type')).toContain('json');
    });
  }

  eachServer('nothing at all is an empty stream', async (serve) => {
    const send = await serve(agent(function* () {}));
    expect(await (await send('/invocations', post({}))).text()).toBe('');
  });

  eachServer('lines and separators in a text cannot end its frame', async (serve) => {
    const text = 'a\n\ndata: b\r\n\u2028c';
    const send = await serve(
      agent(function* () {
        yield text;
        yield undefined;
      }),
    );
    const body = await (await send('/invocations', post({}))).text();
    expect(body.split('\n\n').map((frame) => frame && JSON.parse(frame.slice(6)))).toEqual([text, null, '']);
  });

  eachServer('a large stream arrives whole', async (serve) => {
    const send = await serve(
      agent(function* () {
        for (let i = 0; i < 5000; i++) yield `${i}:${'x'.repeat(100)}`;
      }),
    );
    const frames = (await (await send('/invocations', post({}))).text()).trimEnd().split('\n\n');
    expect(frames.map((frame) => Number.parseInt(frame.slice(7), 10))).toEqual(frames.map((_, i) => i));
    expect(frames).toHaveLength(5000);
  });
});

describe('an error in a stream', () => {
  eachServer('is its last frame', async (serve) => {
    const send = await serve(
      agent(async function* () {
        yield 1;
        throw new RangeError('far');
      }),
    );
    const body = await (await send('/invocations', post({}))).text();
    expect(body).toBe('data: 1\n\ndata: {"error":"far","error_type":"RangeError"}\n\n');
  });

  eachServer('at the very first step comes after a 200', async (serve) => {
    const send = await serve(
      agent(() => ({
        [Symbol.iterator]: () => ({
          next: () => {
            throw new Error('at once');
          },
        }),
      })),
    );
    const response = await send('/invocations', post({}));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('data: {"error":"at once","error_type":"Error"}\n\n');
  });

  eachServer('in writing a value ends the stream and the generator', async (serve) => {
    const ended = vi.fn();
    const send = await serve(
      agent(function* () {
        try {
          yield {
            get bad() {
              throw new Error('no');
            },
          };
          yield 2;
        } finally {
          ended();
        }
      }),
    );
    expect(await (await send('/invocations', post({}))).text()).toBe(
      'data: {"error":"no","error_type":"Error"}\n\n',
    );
    await eventually(() => expect(ended).toHaveBeenCalledOnce());
  });
});

describe('silence', () => {
  eachServer('carries heartbeats, and words carry none', async (serve) => {
    const send = await serve(
      agent(
        async function* () {
          yield 1;
          await sleep(250);
          yield 2;
        },
        { heartbeatMs: 100 },
      ),
    );
    const body = await (await send('/invocations', post({}))).text();
    expect(body).toMatch(/^data: 1\n\n(: ping\n\n)+data: 2\n\n$/);
  });

  test('is none to a reader that has not read what there is', async () => {
    const app = agent(
      function* () {
        for (let index = 0; index < 100; index++) yield 'x'.repeat(1000);
      },
      { heartbeatMs: 20, streamBufferBytes: 10_000 },
    );
    const response = await app.fetch(new Request('http://agent/invocations', post({})));
    await sleep(300);
    expect(await response.text()).not.toContain(': ping');
  });
});

describe('a caller that leaves', () => {
  eachServer('aborts the signal and runs the finally of a generator parked on it', async (serve) => {
    const events: string[] = [];
    const send = await serve(
      agent(async function* (_, { signal }) {
        signal.addEventListener('abort', () => events.push('aborted'));
        try {
          yield 1;
          await sleep(60_000, signal);
        } finally {
          events.push('finally');
        }
      }),
    );
    const response = await send('/invocations', post({}));
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await eventually(() => expect(events).toEqual(['aborted', 'finally']));
    await eventually(async () => expect((await json(await send('/ping'))).status).toBe('Healthy'));
  });

  eachServer('aborts the signal of a handler that gives a value', async (serve) => {
    let reason: unknown;
    const leaving = new AbortController();
    const send = await serve(
      agent(async (_, { signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
        });
        leaving.abort();
        await sleep(60_000, signal);
      }),
    );
    await send('/invocations', { ...post({}), signal: leaving.signal }).catch(() => {});
    await eventually(() => expect(reason).toMatchObject({ type: 'AbortError' }));
  });

  test('while its socket is full stops the generator within a second, and nothing piles up before', async () => {
    let made = 0;
    let ended = false;
    const app = agent(function* () {
      try {
        for (;;) {
          made++;
          yield 'x'.repeat(10_000);
        }
      } finally {
        ended = true;
      }
    });
    onTestFinished(() => app.close());
    const { port } = await app.run({ port: 0, host: '127.0.0.1' });
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}');
    socket.pause();
    await eventually(() => expect(made).toBeGreaterThan(10));
    let before = -1;
    // The kernel's own buffers fill first.
    while (before !== made) {
      before = made;
      await sleep(200);
    }
    expect(made * 10_000).toBeLessThan(32 * 1024 * 1024);
    expect(ended).toBe(false);
    socket.destroy();
    await eventually(() => expect(ended).toBe(true));
  });

  test('holds as much for a slow reader as `streamBufferBytes` allows, and not much more', async () => {
    const made = async (streamBufferBytes: number): Promise<number> => {
      let bytes = 0;
      const app = agent(
        function* () {
          for (;;) {
            bytes += 1000;
            yield 'x'.repeat(1000);
          }
        },
        { streamBufferBytes },
      );
      const response = await app.fetch(new Request('http://agent/invocations', post({})));
      await eventually(() => expect(bytes).toBeGreaterThanOrEqual(streamBufferBytes - 10_000));
      await sleep(50);
      await response.body?.cancel();
      await app.close();
      return bytes;
    };
    expect(await made(20_000)).toBeLessThan(25_000);
    expect(await made(1_000_000)).toBeLessThan(1_010_000);
  });

  test('an in-memory reader that does not read stops the generator', async () => {
    let made = 0;
    const app = agent(function* () {
      for (;;) {
        made++;
        yield 'x'.repeat(1000);
      }
    });
    const response = await app.fetch(new Request('http://agent/invocations', post({})));
    await sleep(50);
    expect(made).toBeLessThan(50);
    await response.body?.cancel();
    await app.close();
  });
});

describe('a deadline', () => {
  eachServer('passed before the first byte is a 504 and aborts the handler', async (serve) => {
    let aborted = false;
    const send = await serve(
      agent(
        async (_, context) => {
          expect(context.deadline?.getTime()).toBeGreaterThan(Date.now() - 1000);
          context.signal.addEventListener('abort', () => {
            aborted = true;
          });
          await sleep(60_000, context.signal);
        },
        { timeoutMs: 50 },
      ),
    );
    const response = await send('/invocations', post({}));
    expect([response.status, (await json(response)).error_type]).toEqual([504, 'TimeoutError']);
    expect(aborted).toBe(true);
  });

  eachServer('passed in a stream is its error frame', async (serve) => {
    const send = await serve(
      agent(
        async function* (_, { signal }) {
          yield 1;
          await sleep(60_000, signal);
        },
        { timeoutMs: 1_000 },
      ),
    );
    expect(await (await send('/invocations', post({}))).text()).toMatch(
      /^data: 1\n\ndata: \{"error":".*timeoutMs.*","error_type":"TimeoutError"\}\n\n$/,
    );
  });
});

test('a signal that already aborted says so at once', async () => {
  let late: boolean | undefined;
  const app = agent(
    async (_, context) => {
      await sleep(100);
      late = context.signal.aborted;
    },
    { timeoutMs: 20 },
  );
  const response = await app.fetch(new Request('http://agent/invocations', post({})));
  expect(response.status).toBe(504);
  await eventually(() => expect(late).toBe(true));
  await app.close();
});

describe('an iterator that is none', () => {
  const none: unknown[] = [undefined, null, 5, 'text', true];
  for (const step of none) {
    for (const kind of ['sync', 'async'] as const) {
      eachServer(`ends its stream with a TypeError: ${kind} next() gives ${step}`, async (serve) => {
        const next = (): unknown => (kind === 'sync' ? step : Promise.resolve(step));
        const symbol = kind === 'sync' ? Symbol.iterator : Symbol.asyncIterator;
        const send = await serve(agent(() => ({ [symbol]: () => ({ next }) })));
        const text = await (await send('/invocations', post({}))).text();
        expect(text).toMatch(
          /^data: \{"error":"next\(\) of the iterator gave [^"]+.*"error_type":"TypeError"\}\n\n$/,
        );
      });
    }
  }

  for (const made of none) {
    eachServer(`is a TypeError, and no value: ${made}`, async (serve) => {
      const send = await serve(agent(() => ({ [Symbol.asyncIterator]: () => made })));
      const response = await send('/invocations', post({}));
      expect([response.status, (await json(response)).error_type]).toEqual([500, 'TypeError']);
    });
  }
});

for (const middleware of [false, true]) {
  eachServer(
    `a text that a handler streams comes piece by piece, middleware: ${middleware}`,
    async (serve) => {
      let write = (_text: string): void => {};
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          write = (text) => controller.enqueue(new TextEncoder().encode(text));
          write('first');
        },
      });
      const app = agent(() => new Response(body, { headers: { 'content-type': 'text/plain' } }));
      if (middleware) app.middleware((request, next) => next(request));
      const send = await serve(app);
      const response = await send('/invocations', post({}));
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      expect((await reader?.read())?.value).toBe('first');
      write('second');
      expect((await reader?.read())?.value).toBe('second');
      await reader?.cancel();
    },
  );
}
