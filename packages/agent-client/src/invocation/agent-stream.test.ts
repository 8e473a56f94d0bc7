import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { json, resumable, sse, type TestAgent, testAgent } from '../../test/support/agent-server.js';

const done = 'event: done\nid: 3\ndata: {"status":"success","duration":1.5,"metadata":{"k":1}}\n\n';

describe('a stream', () => {
  test('gives the values of our own runtime, and then what it came to', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      response.end(`id: 1\ndata: "a"\n\n: ping\n\nid: 2\ndata: {"b":2}\n\n${done}`);
    });
    const stream = agent.stream('x');
    expect(await stream.collect()).toEqual(['a', { b: 2 }]);
    expect(await stream.response).toMatchObject({
      status: 'success',
      durationSeconds: 1.5,
      metadata: { k: 1 },
    });
    expect(agent.released).toBe(1);
  });

  test('joins texts, and writes what is none as JSON', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      response.end('data: "a "\n\ndata: plain\n\ndata: {"n":1}\n\n');
    });
    expect(await agent.stream('x').text()).toBe('a plain{"n":1}');
  });

  test('gives one value for an agent that does not stream', async () => {
    const agent = await testAgent((_, response) =>
      json(response, 200, { result: 42, status: 'success', duration: 2 }),
    );
    const stream = agent.stream('x');
    expect(await stream.collect()).toEqual([42]);
    expect(await stream.response).toMatchObject({ durationSeconds: 2 });
  });

  test.each([
    ['newline-delimited JSON', 'application/x-ndjson', '{"n":1}\n"two"\n\n3\n', [{ n: 1 }, 'two', 3]],
    ['events under the wrong content type', 'application/json', 'data: 1\n\ndata: 2\n\n', [1, 2]],
    ['events of one byte of text', 'text/plain', 'data:1\n\n', [1]],
    ['a stream with OpenAI’s end mark', 'text/event-stream', 'data: {"x":1}\n\ndata: [DONE]\n\n', [{ x: 1 }]],
    ['a text', 'text/plain', 'hello', ['hello']],
    ['lines without a last line break', 'application/x-ndjson', '1\n{"n":2}', [1, { n: 2 }]],
    ['events without a last empty line', 'text/event-stream', 'data: 1\n\ndata: 2\n', [1, 2]],
    [
      'events with CR line ends, without a last empty line',
      'text/event-stream',
      'data: 1\r\rdata: 2\r',
      [1, 2],
    ],
    ['no content', 'application/json', '', [undefined]],
  ])('understands %s', async (_, type, body, values) => {
    const agent = await testAgent((_request, response) => {
      response.writeHead(200, { 'content-type': type });
      // A byte a piece, so that no decoder relies on how the network cuts.
      for (const byte of Buffer.from(body)) response.write(Buffer.of(byte));
      response.end();
    });
    expect(await agent.stream('x').collect()).toEqual(values);
  });

  test.each([
    ['lines, cut in one', 'application/x-ndjson', '{"a":1}\n{"a":', [{ a: 1 }]],
    ['lines, cut in a number perhaps', 'application/x-ndjson', '1\n2', [1]],
    ['events, cut in one', 'text/event-stream', 'data: 1\n\ndata: {"a":', [1]],
    ['events of text, cut in one', 'text/event-stream', 'data: one\n\ndata: tw', ['one']],
  ])('is interrupted, and never made up: %s', async (_, type, body, values) => {
    const agent = await testAgent((_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(body);
    });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const value of agent.stream('x')) seen.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ name: 'StreamInterruptedError', outcome: 'unknown' });
    expect(seen).toEqual(values);
  });

  test.each([
    ['our runtime in plain frames', 'data: "a"\n\ndata: {"error":"broke","error_type":"E"}\n\n', {}],
    [
      'our runtime in resumable frames',
      'id: 1\ndata: "a"\n\nevent: error\nid: 2\ndata: {"error":"broke","error_type":"E"}\n\n',
      resumable,
    ],
    [
      'AgentCore',
      'data: "a"\n\ndata: {"error":"broke","error_type":"E","message":"An error occurred"}\n\n',
      {},
    ],
    ['a named error event', 'data: "a"\n\nevent: error\ndata: {"error":"broke","error_type":"E"}\n\n', {}],
  ])('throws the error of %s after the values before it', async (_, body, headers) => {
    const agent = await testAgent((_request, response) => {
      sse(response, headers);
      response.end(body);
    });
    const stream = agent.stream('x');
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const value of stream) values.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ message: 'broke', errorType: 'E', outcome: 'failed' });
    await expect(stream.response).rejects.toThrow('broke');
    expect(values).toEqual(['a']);
    expect(agent.released).toBe(1);
  });

  const errorFrames: [string, string, string, string | undefined][] = [
    ['PPIO', '{"error":"broke"}', 'broke', undefined],
    ['OpenAI', '{"error":{"message":"broke","type":"server_error","code":null}}', 'broke', 'server_error'],
    ['AG-UI', '{"type":"RUN_ERROR","message":"broke","code":"E7"}', 'broke', 'E7'],
    ['AgentCore', '{"error":"broke","error_type":"E","message":"An error occurred"}', 'broke', 'E'],
  ];
  const streamTypes: [string, (frame: string) => string, string][] = [
    ['text/event-stream', (frame) => `data: ${frame}\n\n`, ''],
    ['text/event-stream', (frame) => `data: ${frame}\n\n`, 'data: [DONE]\n\n'],
    ['application/x-ndjson', (frame) => `${frame}\n`, ''],
  ];
  describe.each(streamTypes)('of %s %s %j', (type, write, end) => {
    test.each(errorFrames)('fails by a last frame of %s’s: %s', async (_, frame, message, errorType) => {
      const agent = await testAgent((_request, response) => {
        response.writeHead(200, { 'content-type': type });
        response.end(write('"a"') + write(frame) + end);
      });
      const values: unknown[] = [];
      const reading = (async () => {
        for await (const value of agent.stream('x')) values.push(value);
      })();
      const told = errorType === undefined ? {} : { errorType };
      await expect(reading).rejects.toMatchObject({
        name: 'InvocationError',
        outcome: 'failed',
        message,
        ...told,
      });
      expect(values).toEqual(['a']);
      await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'failed', message });
    });

    test.each(errorFrames)(
      'gives a frame that looks like %s’s error as a value when more follows',
      async (_, frame) => {
        const agent = await testAgent((_request, response) => {
          response.writeHead(200, { 'content-type': type });
          response.end(write(frame) + write('"b"') + end);
        });
        expect(await agent.stream('x').collect()).toEqual([JSON.parse(frame), 'b']);
      },
    );

    test.each([
      '{"error":"e","partial":1}',
      '{"error":null}',
      '{"type":"RUN_ERROR"}',
      '{"error":{"code":1}}',
    ])('gives a last value that is no error: %s', async (frame) => {
      const agent = await testAgent((_request, response) => {
        response.writeHead(200, { 'content-type': type });
        response.end(write(frame) + end);
      });
      expect(await agent.stream('x').collect()).toEqual([JSON.parse(frame)]);
    });
  });

  test('of a runtime that announced resumable frames ends in no error without an event of that name', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      response.end(`id: 1\ndata: {"error":"text"}\n\n${done.replace('id: 3', 'id: 2')}`);
    });
    expect(await agent.stream('x').collect()).toEqual([{ error: 'text' }]);
  });

  test.each([
    ['JSON', '{"error":"no key"}', /no event: \{"error":"no key"\}/],
    ['a page', '<html>\n<body>Welcome</body></html>', /no event with an HTML page/],
    ['words', 'upstream failed', /no event: upstream failed/],
  ])(
    'that is no stream but %s is an error that quotes it, and no empty success',
    async (_, body, message) => {
      const agent = await testAgent((_request, response) => {
        sse(response);
        for (const byte of Buffer.from(body)) response.write(Buffer.of(byte));
        response.end();
      });
      for (const call of [agent.stream('x').collect(), agent.invoke('x')]) {
        await expect(call).rejects.toMatchObject({
          name: 'InvocationError',
          outcome: 'unknown',
          message: expect.stringMatching(message),
        });
      }
    },
  );

  test.each([
    ['nothing', ''],
    ['a comment', ': hello\n\n'],
    ['fields without data', 'event: start\nid: 1\nretry: 5\n\n'],
  ])('of %s is empty', async (_, body) => {
    const agent = await testAgent((_request, response) => {
      sse(response);
      response.end(body);
    });
    expect(await agent.stream('x').collect()).toEqual([]);
  });

  test('says what it used', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      const used = { processing_time: 0.5, queue_time: 0.25, tokens_used: 7, cost: 0.1 };
      const payload = { status: 'success', duration: 1, metadata: {}, ...used };
      response.end(`event: done\nid: 1\ndata: ${JSON.stringify(payload)}\n\n`);
    });
    const stream = agent.stream('x');
    await stream.collect();
    expect(await stream.response).toMatchObject({
      processingTimeSeconds: 0.5,
      queueTimeSeconds: 0.25,
      tokensUsed: 7,
      cost: 0.1,
    });
  });

  test('can be read once', async () => {
    const agent = await testAgent((_, response) => json(response, 200, 1));
    const stream = agent.stream('x');
    await stream.collect();
    await expect(stream.collect()).rejects.toThrow('read once');
  });

  test('frees its connection and tells the agent when its reader leaves', async () => {
    const closed = deferred();
    const agent = await testAgent(
      (request, response) => {
        if (request.method === 'DELETE') return json(response, 202, {});
        sse(response, resumable);
        response.write('id: 1\ndata: 1\n\n');
        response.on('close', () => closed.resolve(undefined));
      },
      { runtimeInstance: 'one' },
    );
    const stream = agent.stream('x', { idempotencyKey: 'k' });
    for await (const value of stream) {
      expect(value).toBe(1);
      break;
    }
    await closed.promise;
    expect(agent.released).toBe(1);
    await expect
      .poll(() => agent.seen.at(-1), { timeout: 15_000 })
      .toMatchObject({ method: 'DELETE', path: '/invocations/k' });
    await expect(stream.response).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('is handed on to a browser as events, and stops when it leaves', async () => {
    const agent = await testAgent((_, response) => {
      sse(response, resumable);
      response.end(`id: 1\ndata: "a"\n\nid: 2\ndata: 2\n\n${done}`);
    });
    const response = agent.stream('x').toResponse({ headers: { 'x-mine': '1' } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(response.headers.get('x-mine')).toBe('1');
    expect(await response.text()).toBe('data: "a"\n\ndata: 2\n\n');

    const endless = await endlessAgent();
    const reader = endless.agent.stream('x').toResponse().body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await endless.closed;
  });

  test('sends a browser heartbeats while the agent is quiet', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    let finish: () => void = () => {};
    const agent = await testAgent((_, response) => {
      sse(response);
      response.write('data: 1\n\n');
      finish = () => response.end('data: 2\n\n');
    });
    const reader = agent.stream('x').toResponse().body?.getReader();
    const next = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value);
    expect(await next()).toBe('data: 1\n\n');
    const quiet = next();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await quiet).toBe(': ping\n\n');
    finish();
    expect(await next()).toBe('data: 2\n\n');
    expect(await next()).toBe('');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('tells a browser of an error in the last event', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      response.end('data: 1\n\ndata: {"error":"broke","error_type":"E"}\n\n');
    });
    expect(await agent.stream('x').toResponse().text()).toBe(
      'data: 1\n\ndata: {"error":"broke","error_type":"E"}\n\n',
    );
  });

  test('converts to a web stream of values', async () => {
    const agent = await testAgent((_, response) => {
      sse(response);
      response.end('data: 1\n\ndata: 2\n\n');
    });
    const values: unknown[] = [];
    const reader = agent.stream('x').toReadableStream().getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) values.push(next.value);
    expect(values).toEqual([1, 2]);
    const endless = await endlessAgent();
    const left = endless.agent.stream('x').toReadableStream().getReader();
    await left.read();
    await left.cancel();
    await endless.closed;
  });

  test('holds back an agent whose values nobody reads', async () => {
    let written = 0;
    const agent = await testAgent((_, response) => {
      sse(response);
      const frame = `data: "${'x'.repeat(16_000)}"\n\n`;
      const pump = (): void => {
        while (!response.destroyed && written < 100_000_000 && response.write(frame)) written += frame.length;
        if (!response.destroyed && written < 100_000_000) response.once('drain', pump);
      };
      pump();
    });
    const stream = agent.stream('x');
    await expect.poll(() => written, { timeout: 15_000 }).toBeGreaterThan(0);
    const grown = async (): Promise<number> => {
      const before = written;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return written - before;
    };
    await expect.poll(grown, { timeout: 15_000 }).toBe(0);
    expect(written).toBeLessThan(20_000_000);
    await stream.cancel();
  });
});

/** An agent that streams until it is left. */
async function endlessAgent(): Promise<{ agent: TestAgent; closed: Promise<unknown> }> {
  const closed = deferred();
  const agent = await testAgent((_, response) => {
    sse(response);
    const timer = setInterval(() => response.write('data: 1\n\n'), 10);
    response.on('close', () => {
      clearInterval(timer);
      closed.resolve(undefined);
    });
  });
  return { agent, closed: closed.promise };
}

function deferred(): { promise: Promise<unknown>; resolve: (value: unknown) => void } {
  let resolve: (value: unknown) => void = () => {};
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
