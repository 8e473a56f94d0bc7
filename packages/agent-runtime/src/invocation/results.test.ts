import { createServer } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post } from '../../test/each-server.js';
import { AgentRuntimeApp } from '../node/node-app.js';

const jsonType = 'application/json; charset=utf-8';

describe('a value', () => {
  eachServer('comes in an envelope that names its request', async (serve) => {
    const send = await serve(agent((request) => ({ echo: request })));
    const response = await send('/invocations', post({ a: [1, 'é'] }, { 'x-request-id': 'r-1' }));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(jsonType);
    expect(await json(response)).toEqual({
      result: { echo: { a: [1, 'é'] } },
      status: 'success',
      duration: expect.any(Number),
      metadata: { request_id: 'r-1', invocation_id: 'r-1' },
    });
    expect(response.headers.get('x-request-id')).toBe('r-1');
    expect(response.headers.get('x-invocation-id')).toBe('r-1');
    expect(response.headers.get('x-runtime-instance')).toMatch(/^[0-9a-f-]{36}$/);
  });

  eachServer('is the whole body in the raw family', async (serve) => {
    const send = await serve(agent(async () => ({ a: 1 }), { responseFormat: 'raw' }));
    const response = await send('/invocations', post({}));
    expect(response.headers.get('content-type')).toBe(jsonType);
    expect(await response.text()).toBe('{"a":1}');
  });

  for (const nothing of [undefined, null]) {
    eachServer(`of ${nothing} is null`, async (serve) => {
      const send = await serve(agent(() => nothing));
      expect(await json(await send('/invocations', post({})))).toMatchObject({ result: null });
    });
  }

  const circular: { self?: unknown; name: string } = { name: 'c' };
  circular.self = circular;
  const shared = { s: 1 };
  const awkward: [string, unknown, unknown][] = [
    ['a BigInt', { n: 12n }, { n: '12' }],
    ['a date', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
    ['no date', [new Date(Number.NaN)], [null]],
    ['a map', new Map<unknown, unknown>([['a', new Map([[1, 2n]])]]), { a: { 1: '2' } }],
    ['a set', { s: new Set([1, new Set(['x'])]) }, { s: [1, ['x']] }],
    ['bytes', { b: new Uint8Array([255, 0, 1]) }, { b: '/wAB' }],
    ['a buffer', Buffer.from('hi'), 'aGk='],
    ['other numbers', [Number.NaN, Number.POSITIVE_INFINITY, -0], [null, null, 0]],
    ['floats', new Float64Array([1.5, Number.NaN]), [1.5, null]],
    ['a circle', circular, { name: 'c', self: '[Circular]' }],
    ['the same thing twice', [shared, shared, new Set([shared])], [shared, shared, [shared]]],
    ['a function', () => 1, null],
    ['a symbol', { s: Symbol('s'), l: [Symbol('s')] }, { l: [null] }],
    ['its own toJSON', { toJSON: () => ({ m: new Map([['k', 1]]) }) }, { m: { k: 1 } }],
    ['an error', { e: new RangeError('far') }, { e: { name: 'RangeError', message: 'far' } }],
    ['boxed', [Object('s'), Object(1), Object(true)], ['s', 1, true]],
    [
      'a class',
      new (class Point {
        x = 1n;
      })(),
      { x: '1' },
    ],
    [
      'a key that would be a prototype',
      JSON.parse('{"__proto__": {"a": 1}}'),
      JSON.parse('{"__proto__": {"a": 1}}'),
    ],
  ];
  for (const [what, value, expected] of awkward) {
    eachServer(
      `JSON cannot hold, or hardly, is written the same plain and streamed: ${what}`,
      async (serve) => {
        const send = await serve(agent((mode) => (mode === 'plain' ? value : [value].values())));
        const plain = await send('/invocations', post('plain'));
        expect(plain.status).toBe(200);
        expect((await json(plain)).result).toEqual(expected);
        const streamed = await (await send('/invocations', post('streamed'))).text();
        expect(JSON.parse(streamed.slice('data: '.length))).toEqual(expected);
      },
    );
  }

  eachServer('nested too deeply to be written is an error, not a crash', async (serve) => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    const send = await serve(agent(() => deep));
    expect((await send('/invocations', post({}))).status).toBe(500);
    expect((await send('/ping')).status).toBe(200);
  });
});

describe('a Response', () => {
  const text = 'hello world '.repeat(50);

  eachServer('that was fetched, and decompressed by that, is described as what it is now', async (serve) => {
    const upstream = createServer((_request, response) => {
      const packed = gzipSync(text);
      response.writeHead(200, {
        'content-type': 'text/x',
        'content-encoding': 'gzip',
        'content-length': packed.length,
      });
      response.end(packed);
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      upstream.close();
      upstream.closeAllConnections();
    });
    const url = `http://127.0.0.1:${Object(upstream.address()).port}`;
    const app = agent(() => fetch(url));
    const send = await serve(app);
    app.middleware((request, next) => (request.headers.has('x-bypass') ? fetch(url) : next(request)));
    for (const headers of [{}, { 'x-bypass': '1' }]) {
      const response = await send('/invocations', post({}, headers));
      expect(response.headers.get('content-type')).toBe('text/x');
      expect(response.headers.get('content-encoding')).toBeNull();
      expect(response.headers.get('content-length')).toBeNull();
      expect(await response.text()).toBe(text);
    }
  });

  eachServer('that the handler packed itself stays packed', async (serve) => {
    const packed = gzipSync(text);
    const headers = { 'content-encoding': 'gzip', 'content-length': String(packed.length) };
    const send = await serve(agent(() => new Response(packed, { headers })));
    const response = await send('/invocations', post({}));
    expect(response.headers.get('content-encoding')).toBe('gzip');
    const body = Buffer.from(await response.arrayBuffer());
    // Fetch unpacks what comes over a socket.
    expect(response.url ? body.toString() : gunzipSync(body).toString()).toBe(text);
  });

  eachServer('that is an error of the network is a 500', async (serve) => {
    const response = await (await serve(agent(() => Response.error())))('/invocations', post({}));
    expect([response.status, (await json(response)).error]).toEqual([
      500,
      expect.stringContaining('Response.error()'),
    ]);
  });

  eachServer('that names a wrong length does not send one', async (serve) => {
    const send = await serve(agent(() => new Response('hello', { headers: { 'content-length': '3' } })));
    for (const turn of [1, 2]) {
      const response = await send('/invocations', post(turn));
      expect([response.headers.get('content-length'), await response.text()]).toEqual([null, 'hello']);
    }
  });

  eachServer('passes through as it is', async (serve) => {
    const send = await serve(
      agent(() => {
        const headers = new Headers({ 'content-type': 'text/csv', 'x-mine': '1' });
        headers.append('set-cookie', 'a=1');
        headers.append('set-cookie', 'b=2');
        return new Response('a,b', { status: 203, headers });
      }),
    );
    const response = await send('/invocations', post({}));
    expect(response.status).toBe(203);
    expect(response.headers.get('content-type')).toBe('text/csv');
    expect(response.headers.get('x-mine')).toBe('1');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await response.text()).toBe('a,b');
  });

  eachServer('with no body has none', async (serve) => {
    const send = await serve(agent(() => new Response(null, { status: 204 })));
    const response = await send('/invocations', post({}));
    expect([response.status, await response.text()]).toEqual([204, '']);
  });
});

describe('an error', () => {
  eachServer('before the first byte is a 500 that names it, without its stack', async (serve) => {
    const send = await serve(
      agent(async () => {
        throw new RangeError('out of it');
      }),
    );
    const response = await send('/invocations', post({}, { 'idempotency-key': 'k' }));
    expect(response.status).toBe(500);
    expect(await json(response)).toEqual({
      result: null,
      status: 'error',
      error: 'out of it',
      error_type: 'RangeError',
      duration: expect.any(Number),
      metadata: { request_id: expect.any(String), invocation_id: 'k' },
    });
  });

  eachServer('is a bare message in the raw family', async (serve) => {
    const send = await serve(
      agent(
        () => {
          throw new Error('no');
        },
        { responseFormat: 'raw' },
      ),
    );
    const response = await send('/invocations', post({}));
    expect([response.status, await response.json()]).toEqual([500, { error: 'no' }]);
  });

  eachServer("of the runtime's own has its type in the raw family too", async (serve) => {
    const send = await serve(agent(() => 1, { responseFormat: 'raw' }));
    const response = await send('/invocations', post({}, { 'last-event-id': '1' }));
    expect(await json(response)).toEqual({ error: expect.any(String), error_type: 'invocation_expired' });
  });

  eachServer('shows its stack when debugging', async (serve) => {
    const send = await serve(
      agent(
        () => {
          throw new Error('no');
        },
        { debug: true },
      ),
    );
    expect((await json(await send('/invocations', post({})))).stack).toContain('results.test');
  });

  for (const [carried, status] of [
    [404, 404],
    [503, 503],
    [200, 500],
    [600, 500],
    ['404', 500],
    [404.5, 500],
  ] as const) {
    eachServer(`carrying the status ${carried} (${typeof carried}) is a ${status}`, async (serve) => {
      const send = await serve(
        agent(() => {
          throw Object.assign(new Error('no'), { status: carried });
        }),
      );
      expect((await send('/invocations', post({}))).status).toBe(status);
    });
  }

  for (const [what, thrown, message] of [
    ['a string', 'plain words', 'plain words'],
    ['nothing', undefined, 'undefined'],
    ['an object', { message: 'in it' }, 'in it'],
    [
      'something unreadable',
      new Proxy(new Error('x'), {
        get: () => {
          throw new Error('hidden');
        },
      }),
      'The error cannot be read.',
    ],
  ] as const) {
    eachServer(`may be anything that can be thrown: ${what}`, async (serve) => {
      const send = await serve(
        agent(() => {
          throw thrown;
        }),
      );
      const response = await send('/invocations', post({}));
      expect([response.status, (await json(response)).error]).toEqual([500, message]);
    });
  }

  eachServer("of JSON parsing in the handler is the handler's: a 500", async (serve) => {
    const send = await serve(agent(() => JSON.parse('{')));
    const response = await send('/invocations', post({}));
    expect([response.status, (await json(response)).error_type]).toEqual([500, 'SyntaxError']);
  });
});

describe('a request', () => {
  for (const [what, body, expected] of [
    ['an object', '{"a":1,"unknown":{"b":2}}', { a: 1, unknown: { b: 2 } }],
    ['a string', '"s"', 's'],
    ['a number', '0', 0],
    ['null', 'null', null],
    ['an array', '[1]', [1]],
    ['nothing', '', {}],
    ['JSON under another content type, with a byte order mark', '\uFEFF{"a":1}', { a: 1 }],
  ] as const) {
    eachServer(`may be ${what}`, async (serve) => {
      const send = await serve(agent((request) => request));
      const headers = { 'content-type': 'text/plain' };
      const response = await send('/invocations', { method: 'POST', body, headers });
      expect(await json(response)).toMatchObject({ result: expected });
    });
  }

  eachServer('that is not JSON is a 400', async (serve) => {
    const send = await serve(agent(() => 1));
    const response = await send('/invocations', { method: 'POST', body: '{"a":' });
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ error: expect.stringMatching(/^Invalid JSON/) });
  });

  eachServer('that is not UTF-8 is a 400', async (serve) => {
    const send = await serve(agent(() => 1));
    const response = await send('/invocations', { method: 'POST', body: new Uint8Array([0x22, 0xff, 0x22]) });
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ error: expect.stringMatching(/^Invalid encoding/) });
  });

  eachServer('over the limit is a 413, declared or not', async (serve) => {
    const send = await serve(agent((request) => request, { maxRequestBytes: 100 }));
    const just = await send('/invocations', post('x'.repeat(98)));
    expect(just.status).toBe(200);
    const declared = await send('/invocations', post('x'.repeat(99)));
    expect([declared.status, (await json(declared)).error]).toEqual([
      413,
      expect.stringContaining('maxRequestBytes'),
    ]);
    // In pieces of some size: very small ones keep the caller too busy to see the answer.
    let pieces = 0;
    const body = new ReadableStream({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(16_384).fill(0x20));
        if (++pieces === 1000) controller.close();
      },
    });
    const streamed: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' };
    expect((await send('/invocations', streamed)).status).toBe(413);
    expect((await send('/invocations', post(1))).status).toBe(200);
  });
});

describe('without an entry point', () => {
  // Without a socket: such an app is not to listen at all (lifespan.test.ts).
  test('an invocation is a 500 that says so', async () => {
    const response = await new AgentRuntimeApp().fetch(new Request('http://agent/invocations', post({})));
    expect([response.status, (await json(response)).error]).toEqual([500, 'No entrypoint registered']);
  });
});

test('a wrong configuration is refused by the name of its option and variable', () => {
  expect(() => new AgentRuntimeApp({ config: { timeoutMs: -1 } })).toThrow(
    /timeoutMs \(AGENT_RUNTIME_TIMEOUT_MS\)/,
  );
});

describe('the handler', () => {
  eachServer('is handed any JSON value as it came, whatever its content type', async (serve) => {
    const send = await serve(agent((request) => request));
    for (const value of [null, 0, false, 'text', [1], { prompt: 'p', unknown: { a: [1] } }]) {
      const response = await send('/invocations', post(value, { 'content-type': 'text/plain' }));
      expect((await json(response)).result).toEqual(value);
    }
  });

  eachServer('is handed an empty object for an empty body', async (serve) => {
    const send = await serve(agent((request) => request));
    const response = await send('/invocations', { method: 'POST' });
    expect([response.status, (await json(response)).result]).toEqual([200, {}]);
  });
});
