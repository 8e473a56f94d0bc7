import { AgentRuntimeApp } from '@sandpiper/agent-runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect, json, resumable, sse, testAgent } from '../../test/support/agent-server.js';
import { httpProxy } from '../../test/support/http-proxy.js';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** An agent of the real runtime whose handler takes its time, and tells whether it was cancelled. */
async function slowAgent(
  ms: number,
): Promise<{ origin: string; runs: number; cancelled: boolean; instance: string }> {
  const seen = { origin: '', runs: 0, cancelled: false, instance: '' };
  const app = new AgentRuntimeApp({ config: { heartbeatMs: 400 } });
  app.entrypoint(async (input, { signal }) => {
    seen.runs += 1;
    signal.addEventListener('abort', () => {
      seen.cancelled = true;
    });
    await sleep(ms);
    if (Reflect.get(Object(input), 'prompt') === 'fail') throw new RangeError('too far');
    return Reflect.get(Object(input), 'prompt') === 'bytes' ? new Response('bytes') : { slow: true };
  });
  const server = await app.run({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => server.close());
  seen.origin = `http://127.0.0.1:${server.port}`;
  seen.instance = (await fetch(`${seen.origin}/ping`)).headers.get('x-runtime-instance') ?? '';
  return seen;
}

/** A gateway that gives up a response which has not begun in time, and cuts one that is silent for this long. */
function impatientGateway(upstream: string, ms: number, onTimeout: () => void = () => {}): Promise<string> {
  return httpProxy(
    () => upstream,
    (_, response, pass) => {
      const late = setTimeout(() => {
        onTimeout();
        response.writeHead(504, { 'content-type': 'text/html' }).end('<h1>Gateway timeout</h1>');
      }, ms);
      pass((answer) => {
        clearTimeout(late);
        let silent = setTimeout(() => response.destroy(), ms);
        answer.on('data', () => {
          clearTimeout(silent);
          silent = setTimeout(() => response.destroy(), ms);
        });
        answer.on('close', () => clearTimeout(silent));
      });
      response.on('close', () => clearTimeout(late));
    },
  );
}

describe('an invocation that outlasts a gateway’s patience', () => {
  test('is joined by its events until it ends, and runs once', async () => {
    const agent = await slowAgent(5_000);
    const caller = connect(await impatientGateway(agent.origin, 1_500), [], {
      runtimeInstance: agent.instance,
      timeoutMs: 50_000,
      config: { maxRetries: 1 },
    });
    expect((await caller.invoke('x')).result).toEqual({ slow: true });
    expect(agent).toMatchObject({ runs: 1, cancelled: false });
  });

  test('fails when its handler does', async () => {
    const agent = await slowAgent(3_000);
    const caller = connect(await impatientGateway(agent.origin, 1_000), [], {
      runtimeInstance: agent.instance,
    });
    await expect(caller.invoke('fail')).rejects.toMatchObject({
      name: 'InvocationError',
      outcome: 'failed',
      errorType: 'RangeError',
      message: 'too far',
    });
    expect(agent.runs).toBe(1);
  });

  test('is answered with its bytes when it has no events', async () => {
    const agent = await slowAgent(3_000);
    const caller = connect(await impatientGateway(agent.origin, 1_000), [], {
      runtimeInstance: agent.instance,
    });
    expect((await caller.invoke('bytes')).result).toBe('bytes');
    expect(agent.runs).toBe(1);
  });

  test('is not bounded by `maxRetries` once the agent was seen to run it, but by the call’s time', async () => {
    let requests = 0;
    const options = { runtimeInstance: 'one', hasEvents: true, config: { maxRetries: 2, retryDelayMs: 1 } };
    const agent = await testAgent((request, response) => {
      requests += 1;
      if (requests === 1) return void response.destroy();
      if (requests === 2) {
        sse(response, resumable);
        return void response.write(': ping\n\n', () => response.destroy());
      }
      if (requests < 12) return void response.writeHead(504).end();
      expect(request.headers['last-event-id']).toBe('0');
      sse(response, resumable);
      response.write('id: 1\ndata: {"n":1}\n\n');
      response.end(
        'event: done\nid: 2\ndata: {"status":"success","duration":1,"metadata":{},"streamed":false}\n\n',
      );
    }, options);
    expect((await agent.invoke('x')).result).toEqual({ n: 1 });

    const endless = await testAgent(
      (request, response) => {
        if (request.method === 'POST') return void response.writeHead(504).end();
        sse(response, resumable);
        response.write(': ping\n\n', () => response.destroy());
      },
      { ...options, timeoutMs: 1_500 },
    );
    await expect(endless.invoke('x')).rejects.toMatchObject({ outcome: 'unknown' });
    expect(endless.seen.length).toBeGreaterThan(4);
    expect(endless.seen.map(({ method }) => method)).not.toContain('DELETE');
  });

  test('is joined by its key where a gateway lets nobody ask for events', async () => {
    const agent = await testAgent(
      (request, response, attempt) => {
        if (request.method === 'GET') return void response.writeHead(404).end('<h1>Not found</h1>');
        if (attempt === 1) return void response.writeHead(504).end();
        json(response, 200, { result: 'ok', status: 'success' }, { 'x-runtime-instance': 'one' });
      },
      { runtimeInstance: 'one', hasEvents: true },
    );
    expect((await agent.invoke('x')).result).toBe('ok');
  });
});

describe('a call that is given up', () => {
  const options = { runtimeInstance: 'one', hasEvents: true };

  test('because of what is in between does not cancel the agent', async () => {
    const agent = await testAgent((_, response) => response.writeHead(504).end(), options);
    await expect(agent.invoke('x')).rejects.toMatchObject({ outcome: 'unknown', status: 504 });
    await expect(agent.invoke('x', { timeoutMs: 5, maxRetries: 1_000 })).rejects.toMatchObject({
      outcome: 'unknown',
    });
    await sleep(300);
    expect(agent.seen.map(({ method }) => method)).not.toContain('DELETE');
  });

  test('by its caller does', async () => {
    const left = new AbortController();
    const agent = await testAgent((request, response) => {
      if (request.method === 'DELETE') return json(response, 202, {}, { 'x-runtime-instance': 'one' });
      left.abort(new Error('enough'));
    }, options);
    await expect(agent.invoke('x', { signal: left.signal })).rejects.toThrow('enough');
    await expect.poll(() => agent.seen.at(-1)?.method, { timeout: 20_000 }).toBe('DELETE');
  });
});
