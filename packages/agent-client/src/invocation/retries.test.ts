import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  connect,
  json,
  resumable,
  type SeenRequest,
  sse,
  testAgent,
} from '../../test/support/agent-server.js';
import type { RetryInfo } from './call-options.js';

const success = { result: 'ok', status: 'success', duration: 0.1 };
const instance = { 'x-runtime-instance': 'one' };
/** Our own runtime's refusal: draining, or at its limit. */
const refusal = { ...instance, 'retry-after': '0' };
const draining = { result: null, status: 'error', error: 'draining', error_type: 'unavailable' };

describe('a call to an agent that knows nothing of keys', () => {
  test('is not sent again once it was sent, and its outcome is unknown', async () => {
    const agent = await testAgent((_, response) => response.destroy());
    await expect(agent.invoke('x')).rejects.toMatchObject({
      name: 'InvocationError',
      outcome: 'unknown',
      retryable: false,
      sandboxId: 'sandbox1',
    });
    expect(agent.seen).toHaveLength(1);
  });

  test.each([502, 503, 504, 408])(
    'is not sent again after a %i, behind which it may be running',
    async (status) => {
      const agent = await testAgent((_, response) => json(response, status, { message: 'bad gateway' }));
      await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'unknown', status });
      expect(agent.seen).toHaveLength(1);
    },
  );

  test('is sent again after the gateway said that nobody listens', async () => {
    const agent = await testAgent((_, response, attempt) =>
      attempt < 3
        ? json(response, 502, {
            sandboxId: 'sandbox1',
            message: 'The sandbox is running but port is not open',
          })
        : json(response, 200, success),
    );
    expect(await agent.invoke('x')).toMatchObject({ result: 'ok', attempts: 3 });
  });

  test.each([
    { error: 'Upstream model gpt-9 not found' },
    { error: 'port is not open' },
    { message: 'The database was not found' },
    { sandboxId: 'another', message: 'The sandbox was not found' },
    { error: 'E', message: 'The sandbox is paused' },
  ])('is not sent again for words that only sound like the gateway’s: %j', async (body) => {
    const agent = await testAgent((_, response) => json(response, 502, body));
    await expect(agent.invoke('x')).rejects.toMatchObject({ name: 'InvocationError', outcome: 'unknown' });
    expect(agent.seen).toHaveLength(1);
  });

  test('that has another call of its key fails with that reason, and is not sent again', async () => {
    const reused = { error: 'used with another body', error_type: 'idempotency_key_reused' };
    const agent = await testAgent((_, response) => json(response, 422, reused, instance));
    await expect(agent.invoke('x', { idempotencyKey: 'k' })).rejects.toMatchObject({
      name: 'InvocationError',
      status: 422,
      errorType: 'idempotency_key_reused',
      retryable: false,
      invocationId: 'k',
    });
    expect(agent.seen).toHaveLength(1);
  });

  test('says what it can of an answer that explains nothing', async () => {
    const answers: [number, string, Record<string, string>, RegExp][] = [
      [503, '{}', {}, /answered 503 and gave no reason/],
      [502, 'bad  gateway', {}, /answered 502: bad gateway/],
      [502, '<html><h1>bad gateway</h1></html>', {}, /answered 502 with an HTML page, as a proxy sends\.$/],
      [
        302,
        '',
        { location: 'https://elsewhere.test/x?token=1' },
        /302 to https:..elsewhere.test.x: redirects/,
      ],
      [500, 'x'.repeat(1_000_000), {}, /answered 500: xxx/],
    ];
    for (const [status, body, headers, message] of answers) {
      const agent = await testAgent((_, response) => response.writeHead(status, headers).end(body));
      await expect(agent.invoke('x')).rejects.toThrow(message);
    }
  });

  test('tells how long a server that is too busy asks to wait', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 429, { error: 'slow down' }, { 'retry-after': '2' }),
    );
    await expect(agent.invoke('x')).rejects.toMatchObject({ name: 'RateLimitError', retryAfterMs: 2_000 });
    expect(agent.seen).toHaveLength(1);
  });

  test('is sent again when no connection came about', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await new Promise((resolve) => server.close(resolve));
    const retries: RetryInfo[] = [];
    const agent = connect(origin, [], { config: { onRetry: (retry) => retries.push(retry) } });
    await expect(agent.invoke('x', { idempotencyKey: 'k' })).rejects.toMatchObject({
      name: 'NetworkError',
      code: 'network_error',
      retryable: true,
    });
    expect(retries).toMatchObject([
      { attempt: 1, invocationId: 'k' },
      { attempt: 2, invocationId: 'k' },
      { attempt: 3, sandboxId: 'sandbox1' },
    ]);
  });

  test('asks for a paused sandbox to be resumed, and goes on', async () => {
    let resumed = 0;
    const agent = await testAgent(
      (_, response) =>
        resumed === 0
          ? json(response, 502, { message: 'The sandbox was not found' })
          : json(response, 200, success),
      {
        recover: async () => {
          resumed += 1;
        },
      },
    );
    expect(await agent.invoke('x')).toMatchObject({ result: 'ok' });
    expect(resumed).toBe(1);
  });
});

describe('a call to an agent that honours keys', () => {
  test('is sent again under the same key and to the same process only', async () => {
    const agent = await testAgent(
      (_, response, attempt) => (attempt === 1 ? response.destroy() : json(response, 200, success, instance)),
      { runtimeInstance: 'one' },
    );
    expect(await agent.invoke('x', { idempotencyKey: 'k' })).toMatchObject({ result: 'ok', attempts: 2 });
    // It is asked first whether it has the call already; one that has not gets it again.
    expect(agent.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /invocations',
      'GET /invocations/k/events',
      'POST /invocations',
    ]);
    for (const { headers } of agent.seen) {
      expect(headers).toMatchObject({ 'idempotency-key': 'k', 'if-runtime-instance': 'one' });
    }
    expect(agent.seen.map(({ headers }) => headers['x-invocation-attempt'])).toEqual([undefined, '2', '3']);
    expect(agent.seen[0]?.body).toBe(agent.seen[2]?.body);
  });

  test('whose error was cut in its middle is asked again for the whole of it', async () => {
    const whole = { result: null, status: 'error', error: 'no city', error_type: 'RangeError' };
    const agent = await testAgent(
      (request, response) => {
        if (request.method === 'GET') return json(response, 404, { error: 'no' }, instance);
        const repeated = request.headers['x-invocation-attempt'] !== undefined;
        if (repeated) return json(response, 500, whole, instance);
        response.writeHead(500, { ...instance, 'content-type': 'application/json', 'content-length': '200' });
        response.write(JSON.stringify(whole).slice(0, 40), () => response.destroy());
      },
      { runtimeInstance: 'one' },
    );
    await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'failed', errorType: 'RangeError' });
  });

  test('stays with the process that may have run it, though other calls have found a new one', async () => {
    const agent = await testAgent(
      (_, response, attempt) => (attempt === 1 ? response.destroy() : json(response, 200, success, instance)),
      { runtimeInstance: 'one' },
    );
    const onRetry = (): void => {
      agent.target.runtimeInstance = 'two';
    };
    await agent.invoke('x', { onRetry });
    expect(agent.seen[1]?.headers['if-runtime-instance']).toBe('one');

    const stranger = await testAgent((_, response) => {
      stranger.target.runtimeInstance = 'two';
      response.destroy();
    });
    await expect(stranger.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
    expect(stranger.seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('is sent again after a 502 behind which it may be running', async () => {
    const agent = await testAgent(
      (_, response, attempt) =>
        attempt === 1 ? json(response, 502, { message: 'upstream' }) : json(response, 200, success, instance),
      { runtimeInstance: 'one' },
    );
    expect(await agent.invoke('x')).toMatchObject({ attempts: 2 });
  });

  test('is sent again after a refusal, and not after a handler’s own 503', async () => {
    const refusing = await testAgent((_, response, attempt) =>
      attempt === 1 ? json(response, 503, draining, refusal) : json(response, 200, success, instance),
    );
    expect(await refusing.invoke('x')).toMatchObject({ attempts: 2 });
    const failing = await testAgent((_, response) =>
      json(response, 503, { result: null, status: 'error', error: 'mine', error_type: 'E' }, instance),
    );
    await expect(failing.invoke('x')).rejects.toMatchObject({ outcome: 'failed', status: 503 });
    expect(failing.seen).toHaveLength(1);
  });

  test('is not sent again after a handler’s own busy answer, though it asks to wait', async () => {
    for (const status of [503, 429]) {
      const agent = await testAgent((_, response) =>
        response.writeHead(status, { ...instance, 'retry-after': '0' }).end('busy'),
      );
      await expect(agent.invoke('x')).rejects.toMatchObject({ status, retryable: false });
      expect(agent.seen).toHaveLength(1);
    }
  });

  test('is sent again after the gateway’s 429, when it says', async () => {
    const agent = await testAgent(
      (_, response, attempt) =>
        attempt === 1
          ? json(response, 429, { message: 'slow down' }, { 'retry-after': '0' })
          : json(response, 200, success, instance),
      { runtimeInstance: 'one' },
    );
    expect(await agent.invoke('x')).toMatchObject({ attempts: 2 });
  });

  test('goes to a new process of the raw family too, which gives no error type', async () => {
    const agent = await testAgent(
      (request, response) =>
        request.headers['if-runtime-instance'] === 'two'
          ? json(response, 200, 'raw', { 'x-runtime-instance': 'two' })
          : json(response, 409, { error: 'restarted' }, { 'x-runtime-instance': 'two' }),
      { runtimeInstance: 'one' },
    );
    expect(await agent.invoke('x')).toMatchObject({ result: 'raw' });
  });

  test('goes to a new process while nothing has run, and never after something may have', async () => {
    const restarted = { error: 'gone', error_type: 'runtime_restarted' };
    const fresh = await testAgent(
      (request, response) =>
        request.headers['if-runtime-instance'] === 'two'
          ? json(response, 200, success, { 'x-runtime-instance': 'two' })
          : json(response, 409, restarted, { 'x-runtime-instance': 'two' }),
      { runtimeInstance: 'one' },
    );
    expect(await fresh.invoke('x')).toMatchObject({ result: 'ok' });
    const crashed = await testAgent(
      (_, response, attempt) =>
        attempt === 1 ? response.destroy() : json(response, 409, restarted, { 'x-runtime-instance': 'two' }),
      { runtimeInstance: 'one' },
    );
    await expect(crashed.invoke('x')).rejects.toMatchObject({ outcome: 'unknown', status: 409 });
    expect(crashed.seen.filter(({ method }) => method === 'POST')).toHaveLength(2);
  });

  test('is given up as unknown when every attempt was cut', async () => {
    const agent = await testAgent((_, response) => response.destroy(), { runtimeInstance: 'one' });
    await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
    expect(agent.seen.filter(({ method }) => method === 'POST')).toHaveLength(4);
  });

  test('waits as long as the server asks, and not at all when that is too long', async () => {
    const patient = await testAgent((_, response, attempt) =>
      attempt === 1
        ? json(response, 503, draining, { ...instance, 'retry-after': '1' })
        : json(response, 200, success, instance),
    );
    const started = Date.now();
    await patient.invoke('x');
    expect(Date.now() - started).toBeGreaterThanOrEqual(990);
    const impatient = await testAgent((_, response) =>
      json(response, 503, draining, { ...instance, 'retry-after': '61' }),
    );
    await expect(impatient.invoke('x')).rejects.toMatchObject({ outcome: 'not_run', retryable: true });
    expect(impatient.seen).toHaveLength(1);
  });

  test.each([30, 3_600])(
    'comes back before the agent ends what nobody waits for, though a proxy asks to stay away for %i s',
    async (seconds) => {
      const agent = await testAgent(
        (_, response) => response.writeHead(503, { 'retry-after': String(seconds) }).end('<h1>503</h1>'),
        { runtimeInstance: 'one' },
      );
      const abort = new AbortController();
      const delays: number[] = [];
      const onRetry = ({ delayMs }: RetryInfo): void => {
        delays.push(delayMs);
        abort.abort();
      };
      await agent.invoke('x', { signal: abort.signal, onRetry, timeoutMs: 100_000 }).catch(() => {});
      expect(delays).toEqual([20_000]);
    },
  );

  test('does not wait for what its own time does not allow', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 503, draining, { ...instance, 'retry-after': '50' }),
    );
    await expect(agent.invoke('x', { timeoutMs: 40_000 })).rejects.toMatchObject({
      name: 'InvocationError',
      outcome: 'not_run',
    });
    expect(agent.seen).toHaveLength(1);
  });

  test('waits twice as long each time, less a quarter at most, and never over eight seconds', async () => {
    const delays: number[] = [];
    const agent = await testAgent((_, response) => response.destroy(), { runtimeInstance: 'one' });
    await agent.invoke('x', { onRetry: ({ delayMs }) => delays.push(delayMs) }).catch(() => {});
    const abort = new AbortController();
    const patient = await testAgent((_, response) => response.destroy(), {
      runtimeInstance: 'one',
      config: { retryDelayMs: 100_000 },
    });
    const onRetry = ({ delayMs }: RetryInfo): void => {
      delays.push(delayMs);
      abort.abort();
    };
    await patient.invoke('x', { signal: abort.signal, onRetry, timeoutMs: 60_000 }).catch(() => {});
    const most = [1, 2, 4, 8_000];
    expect(delays).toHaveLength(most.length);
    for (const [index, delayMs] of delays.entries()) {
      expect(delayMs).toBeLessThanOrEqual(most[index] ?? 0);
      expect(delayMs).toBeGreaterThanOrEqual((most[index] ?? 0) * 0.75);
    }
  });

  test('ends its wait when the caller’s signal aborts', async () => {
    const abort = new AbortController();
    const agent = await testAgent((_, response) =>
      json(response, 503, draining, { ...instance, 'retry-after': '50' }),
    );
    const reason = new Error('enough');
    const started = Date.now();
    const onRetry = (): void => void setTimeout(() => abort.abort(reason), 20);
    const call = agent.invoke('x', { signal: abort.signal, onRetry, timeoutMs: 100_000 });
    await expect(call).rejects.toBe(reason);
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});

describe('a resumable stream', () => {
  const event = (id: number): string => `id: ${id}\ndata: ${id}\n\n`;
  const done = (id: number): string =>
    `event: done\nid: ${id}\ndata: {"status":"success","duration":1,"metadata":{}}\n\n`;

  test.each([
    ['its events', true],
    ['the invocation', false],
  ])('is taken up after its last event, each event once, by asking for %s', async (_, hasEvents) => {
    const answer = (request: SeenRequest, response: ServerResponse): unknown => {
      const last = Number(request.headers['last-event-id'] ?? 0);
      sse(response, resumable);
      if (last === 0) return response.write(`${event(1)}${event(2)}id: 3\nda`, () => response.destroy());
      // One too many, as after a cut that lost an acknowledgement.
      if (last === 2) return response.end(event(2) + event(3));
      return response.end(event(4) + done(5));
    };
    const agent = await testAgent(answer, { hasEvents });
    const stream = agent.stream('x');
    expect(await stream.collect()).toEqual([1, 2, 3, 4]);
    expect(await stream.response).toMatchObject({ attempts: 3, status: 'success' });
    const asked = agent.seen
      .filter(({ method }) => (method === 'POST') !== hasEvents)
      .map(({ headers }) => headers);
    expect(asked.map((headers) => headers['last-event-id'])).toEqual(
      hasEvents ? ['2', '3'] : [undefined, '2', '3'],
    );
    expect(agent.seen[0]?.method).toBe('POST');
  });

  test('is never taken for complete without its end', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      response.end(event(1));
    });
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const value of agent.stream('x')) values.push(value);
    })();
    await expect(reading).rejects.toMatchObject({
      name: 'StreamInterruptedError',
      code: 'stream_interrupted',
      outcome: 'unknown',
    });
    expect(values).toEqual([1]);
    expect(agent.seen.filter(({ method }) => method === 'POST')).toHaveLength(4);
  });

  test('that lacks an event is not passed off as whole', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      response.end(event(1) + event(3) + done(4));
    });
    await expect(agent.stream('x').collect()).rejects.toMatchObject({ name: 'StreamInterruptedError' });
  });

  test('may be cut more often than there are retries, if it gets on in between', async () => {
    const agent = await testAgent((request, response) => {
      const last = Number(request.headers['last-event-id'] ?? 0);
      sse(response, resumable);
      if (last === 9) response.end(done(10));
      else response.write(event(last + 1), () => response.destroy());
    });
    expect(await agent.stream('x').collect()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('whose log is gone is interrupted, not begun again', async () => {
    const agent = await testAgent((request, response) => {
      if (request.headers['last-event-id'] !== undefined) {
        return json(response, 410, { error: 'expired', error_type: 'invocation_expired' }, instance);
      }
      sse(response, resumable);
      response.write(event(1), () => response.destroy());
    });
    await expect(agent.stream('x').collect()).rejects.toMatchObject({
      name: 'StreamInterruptedError',
      status: 410,
    });
  });
});

test('one signal may be that of many calls', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): number => warnings.push(warning);
  process.on('warning', onWarning);
  const shutdown = new AbortController();
  const agent = await testAgent((_, response) => setTimeout(() => json(response, 200, success), 50));
  await Promise.all(Array.from({ length: 30 }, () => agent.invoke('x', { signal: shutdown.signal })));
  await new Promise(setImmediate);
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('a plain stream that is cut is interrupted, for it cannot be taken up', async () => {
  const agent = await testAgent((_, response) => {
    sse(response);
    response.write('data: 1\n\n', () => response.destroy());
  });
  await expect(agent.stream('x').collect()).rejects.toMatchObject({ name: 'StreamInterruptedError' });
  expect(agent.seen).toHaveLength(1);
});

describe('each clock has its own code', () => {
  test('first byte', async () => {
    const agent = await testAgent(() => {}, { runtimeInstance: 'one' });
    await expect(agent.invoke('x', { firstByteTimeoutMs: 50 })).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 'first_byte_timeout',
      outcome: 'unknown',
      message: expect.stringContaining('firstByteTimeoutMs'),
    });
    expect(agent.seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('silence', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      response.write(': hello\n\n');
    });
    await expect(agent.stream('x', { idleTimeoutMs: 50 }).collect()).rejects.toMatchObject({
      code: 'idle_timeout',
    });
  });

  test('silence, which heartbeats end', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      let beats = 0;
      const timer = setInterval(() => {
        beats += 1;
        response.write(': ping\n\n');
        if (beats < 50) return;
        clearInterval(timer);
        response.end('data: 1\n\n');
      }, 50);
    });
    expect(await agent.stream('x', { idleTimeoutMs: 2_000 }).collect()).toEqual([1]);
  });

  test('the whole call, retries included', async () => {
    const agent = await testAgent(() => {});
    await expect(agent.invoke('x', { timeoutMs: 60 })).rejects.toMatchObject({
      code: 'call_timeout',
      outcome: 'unknown',
    });
  });

  test('connecting', async () => {
    // Accepts, and never says a word of TLS.
    const { origin } = await silentServer();
    const agent = connect(origin.replace('http:', 'https:'), [], {
      config: { connectTimeoutMs: 100, maxRetries: 1 },
    });
    await expect(agent.invoke('x')).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 'connect_timeout',
      outcome: 'not_run',
      retryable: true,
    });
  });

  test('a half-open connection', async () => {
    const { origin } = await silentServer();
    const agent = connect(origin, [], {});
    await expect(agent.invoke('x', { firstByteTimeoutMs: 50 })).rejects.toMatchObject({ outcome: 'unknown' });
  });
});

test('headers that never end do not outlast the call', async () => {
  const { origin } = await silentServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => socket.write('x-more: 1\r\n'), 10);
    socket.on('close', () => clearInterval(timer));
  });
  const agent = connect(origin, [], {});
  await expect(agent.invoke('x', { timeoutMs: 300 })).rejects.toMatchObject({ code: 'call_timeout' });
});

/** A server below HTTP that reads, and says what a test has it say. */
async function silentServer(onSocket: (socket: Socket) => void = () => {}): Promise<{ origin: string }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.resume();
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
