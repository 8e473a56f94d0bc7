import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post, type Send } from '../../test/each-server.js';
import { eventually } from '../../test/eventually.js';
import type { RuntimeConfig } from '../config.js';
import { ForgottenKeys } from './idempotency/forgotten-keys.js';

const resumable = { 'x-stream-protocol': 'resumable-1' };
const keyed = (key: string, more: Record<string, string> = {}): Record<string, string> => ({
  'idempotency-key': key,
  ...more,
});

async function refusalOf(response: Response): Promise<[status: number, type: unknown]> {
  return [response.status, (await json(response)).error_type];
}

/** A gate that a handler waits at until the test opens it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Reads a stream's text until it holds this many frames, then leaves. */
async function readFrames(response: Response, frames: number): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (text.split('\n\n').length <= frames) {
    const step = await reader?.read();
    if (!step || step.done) break;
    text += decoder.decode(step.value, { stream: true });
  }
  await reader?.cancel();
  return text;
}

describe('a key', () => {
  eachServer('that is repeated gets the same status and body, and the handler runs once', async (serve) => {
    let runs = 0;
    const send = await serve(agent(() => ({ run: ++runs })));
    const first = await send('/invocations', post({ a: 1 }, keyed('k', { 'x-request-id': 'r1' })));
    const again = await send('/invocations', post({ a: 1 }, keyed('k', { 'x-request-id': 'r2' })));
    expect(again.status).toBe(first.status);
    expect(again.headers.get('x-request-id')).toBe('r2');
    expect(again.headers.get('x-invocation-id')).toBe('k');
    expect(await again.text()).toBe(await first.text());
    expect(runs).toBe(1);
  });

  eachServer('of an invocation that failed gets the same failure', async (serve) => {
    let runs = 0;
    const send = await serve(
      agent(async () => {
        throw Object.assign(new Error(`run ${++runs}`), { status: 418 });
      }),
    );
    const first = await send('/invocations', post({}, keyed('k')));
    const again = await send('/invocations', post({}, keyed('k')));
    expect([first.status, again.status]).toEqual([418, 418]);
    expect(await again.text()).toBe(await first.text());
    expect(runs).toBe(1);
  });

  eachServer('of a running invocation joins it', async (serve) => {
    let runs = 0;
    const { opened, open } = gate();
    const send = await serve(
      agent(async () => {
        await opened;
        return ++runs;
      }),
    );
    const answers = [1, 2, 3].map(() => send('/invocations', post({}, keyed('k'))));
    setTimeout(open, 50);
    const bodies = await Promise.all((await Promise.all(answers)).map((answer) => answer.text()));
    expect(new Set(bodies).size).toBe(1);
    expect(runs).toBe(1);
  });

  eachServer('joins also while the input is being checked', async (serve) => {
    let runs = 0;
    const app = agent(() => 0);
    app.entrypoint(
      {
        input: {
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: async (value) => {
              await new Promise((resolve) => setTimeout(resolve, 20));
              return { value };
            },
          },
        },
      },
      async () => ++runs,
    );
    const send = await serve(app);
    const answers = await Promise.all([1, 2].map(() => send('/invocations', post({}, keyed('k')))));
    expect((await Promise.all(answers.map((answer) => answer.text())))[0]).toContain('"result":1');
    expect(runs).toBe(1);
  });

  eachServer('with another body is a 422', async (serve) => {
    const send = await serve(agent((request) => request));
    await send('/invocations', post({ a: 1 }, keyed('k')));
    const response = await send('/invocations', post({ a: 2 }, keyed('k')));
    expect([response.status, (await json(response)).error_type]).toEqual([422, 'idempotency_key_reused']);
  });

  eachServer('that is not known does not run for a caller that has seen something of it', async (serve) => {
    let runs = 0;
    const send = await serve(agent(() => ++runs));
    for (const seen of ['0', '3']) {
      const response = await send('/invocations', post({}, keyed('k', { 'last-event-id': seen })));
      expect(await refusalOf(response)).toEqual([410, 'invocation_expired']);
    }
    expect((await send('/invocations', post({}, { 'last-event-id': '0' }))).status).toBe(410);
    expect(runs).toBe(0);
  });

  eachServer('of a request that was refused leaves nothing behind', async (serve) => {
    const { opened, open } = gate();
    const send = await serve(
      agent(async (request) => (request === 'wait' ? opened : request), { maxConcurrency: 1 }),
    );
    const waiting = send('/invocations', post('wait'));
    await eventually(async () => expect((await json(await send('/ping'))).status).toBe('HealthyBusy'));
    const refused = await send('/invocations', post({ a: 1 }, keyed('k')));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await send('/invocations/k')).status).toBe(404);
    open();
    await waiting;
    expect(await json(await send('/invocations', post({ a: 1 }, keyed('k'))))).toMatchObject({
      result: { a: 1 },
    });
  });

  eachServer('that is too long to be kept, or that no path can hold, is a 400', async (serve) => {
    let runs = 0;
    const send = await serve(agent(() => ++runs));
    for (const key of ['k'.repeat(257), 'order/7', '/', 'a\\b', '.', '..']) {
      const refused = await send('/invocations', post({}, keyed(key)));
      expect(await refusalOf(refused)).toEqual([400, 'bad_request']);
    }
    expect(runs).toBe(0);
    for (const key of ['...', 'a b', 'a%2Fb', 'é?#:&=+']) {
      expect((await send('/invocations', post({}, keyed(key)))).status).toBe(200);
      const path = `/invocations/${encodeURIComponent(key)}`;
      expect(await json(await send(path))).toMatchObject({ invocation_id: key });
    }
    // A caller's name for its request is its own: it need not be a path.
    expect((await send('/invocations', post({}, { 'x-request-id': 'host/7' }))).status).toBe(200);
    expect((await send('/invocations', post({}, { 'x-request-id': 'r'.repeat(257) }))).status).toBe(400);
  });
});

describe('a key whose response is forgotten', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const reasons: Record<string, { config: RuntimeConfig; others: number; result: string }> = {
    'because of the number of those after it': { config: {}, others: 1001, result: 'small' },
    'because of their bytes': { config: { retention: { bytes: 3000 } }, others: 3, result: 'x'.repeat(1000) },
    'because it alone is over the limit': {
      config: { retention: { bytes: 3000 } },
      others: 0,
      result: 'x'.repeat(5000),
    },
    'because nothing is kept': { config: { retention: { count: 0 } }, others: 0, result: 'small' },
  };
  for (const [reason, { config, others, result }] of Object.entries(reasons)) {
    eachServer(`${reason} never runs again`, async (serve) => {
      let runs = 0;
      const send = await serve(
        agent(() => {
          runs++;
          return result;
        }, config),
      );
      const first = await send('/invocations', post({}, keyed('k')));
      const instance = first.headers.get('x-runtime-instance') ?? '';
      await first.text();
      for (let other = 0; other < others; other++) {
        await (await send('/invocations', post({}, keyed(`other-${other}`)))).text();
      }
      const before = runs;
      const sameProcess = { 'if-runtime-instance': instance };
      for (const more of [{}, { 'x-invocation-attempt': '1' }, { 'x-invocation-attempt': '2' }]) {
        const again = await send('/invocations', post({}, keyed('k', { ...sameProcess, ...more })));
        expect(await refusalOf(again)).toEqual([410, 'invocation_expired']);
      }
      const otherBody = await send('/invocations', post({ a: 1 }, keyed('k', sameProcess)));
      expect(await refusalOf(otherBody)).toEqual([422, 'idempotency_key_reused']);
      for (const [path, method] of [
        ['/invocations/k', 'GET'],
        ['/invocations/k/events', 'GET'],
        ['/invocations/k', 'DELETE'],
      ] as const) {
        expect(await refusalOf(await send(path, { method }))).toEqual([410, 'invocation_expired']);
      }
      expect(runs).toBe(before);
    });
  }

  eachServer('because of its age never runs again, and does when its key is forgotten too', async (serve) => {
    let runs = 0;
    const send = await serve(agent(() => ++runs));
    const now = performance.now.bind(performance);
    let passedMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
    const run = (more = {}): Promise<Response> => send('/invocations', post({}, keyed('k', more)));
    await run();
    passedMs = 5 * 60_000 + 1000;
    expect((await run()).status).toBe(410);
    passedMs = 29 * 60_000;
    expect((await run({ 'x-invocation-attempt': '2' })).status).toBe(410);
    expect(runs).toBe(1);
    passedMs = 32 * 60_000;
    expect(await json(await run())).toMatchObject({ result: 2 });
  });

  eachServer('is not forgotten because the clock was set', async (serve) => {
    let runs = 0;
    const send = await serve(agent(() => ++runs));
    await send('/invocations', post({}, keyed('k')));
    const today = Date.now();
    for (const stepMs of [3_600_000, -3_600_000]) {
      vi.spyOn(Date, 'now').mockReturnValue(today + stepMs);
      expect(await json(await send('/invocations', post({}, keyed('k'))))).toMatchObject({ result: 1 });
    }
    expect(runs).toBe(1);
  });
});

describe('a request that says that it is not the first of its key', () => {
  const retry = keyed('k', { 'x-invocation-attempt': '2' });

  eachServer('runs when the key is not known and none was forgotten', async (serve) => {
    const send = await serve(agent(() => 'ran'));
    expect(await json(await send('/invocations', post({}, retry)))).toMatchObject({ result: 'ran' });
  });

  test('runs nothing when the key may be one that was forgotten, while a first request does', async () => {
    let runs = 0;
    const app = agent(() => ++runs, { retention: { count: 0 } });
    const send = (headers: Record<string, string>): Promise<Response> =>
      app.fetch(new Request('http://agent/invocations', post({}, headers)));
    vi.spyOn(ForgottenKeys.prototype, 'isComplete', 'get').mockReturnValue(false);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await refusalOf(await send(retry))).toEqual([410, 'invocation_expired']);
    expect(runs).toBe(0);
    expect((await send(keyed('k'))).status).toBe(200);
    expect((await send({ 'x-invocation-attempt': '3' })).status).toBe(200);
  });

  for (const attempt of ['0', '-1', '1.5', 'two', '', '02', '1e3', '9999999999']) {
    eachServer(`by what is no number of a request is refused: "${attempt}"`, async (serve) => {
      let runs = 0;
      const send = await serve(agent(() => ++runs));
      const headers = keyed('k', { 'x-invocation-attempt': attempt });
      expect(await refusalOf(await send('/invocations', post({}, headers)))).toEqual([400, 'bad_request']);
      expect(runs).toBe(0);
    });
  }
});

describe('a stream', () => {
  const body =
    'id: 1\ndata: "a"\n\nid: 2\ndata: "b"\n\nid: 3\ndata: "c"\n\n' +
    'event: done\nid: 4\ndata: {"status":"success","duration":DURATION,"metadata":{"request_id":"r","invocation_id":"k"}}\n\n';
  const timeless = (text: string): string => text.replace(/"duration":[\d.]+/, '"duration":DURATION');

  eachServer('that is asked to be resumable has numbered frames and an end', async (serve) => {
    const send = await serve(agent(() => ['a', 'b', 'c'].values()));
    const response = await send('/invocations', post({}, keyed('k', { ...resumable, 'x-request-id': 'r' })));
    expect(response.headers.get('x-stream-protocol')).toBe('resumable-1');
    expect(timeless(await response.text())).toBe(body);
  });

  eachServer('without a key may be resumable too', async (serve) => {
    const send = await serve(agent(() => ['a', 'b', 'c'].values()));
    const response = await send('/invocations', post({}, { ...resumable, 'x-request-id': 'k' }));
    expect(timeless(await response.text())).toBe(body.replace('"r"', '"k"'));
  });

  eachServer('that fails ends with a numbered error', async (serve) => {
    const send = await serve(
      agent(function* () {
        yield 1;
        throw new RangeError('far');
      }),
    );
    const text = await (await send('/invocations', post({}, resumable))).text();
    expect(text).toBe(
      'id: 1\ndata: 1\n\nevent: error\nid: 2\ndata: {"error":"far","error_type":"RangeError"}\n\n',
    );
  });

  eachServer('is repeated from any place, in either protocol, when it has ended', async (serve) => {
    let runs = 0;
    const send = await serve(
      agent(function* () {
        runs++;
        yield* ['a', 'b', 'c'];
      }),
    );
    await (await send('/invocations', post({}, keyed('k', { ...resumable, 'x-request-id': 'r' })))).text();
    const frames = body.split(/(?<=\n\n)/);
    for (const after of [0, 1, 2, 3, 4]) {
      const rest = frames.slice(after).join('');
      const headers = { ...resumable, 'last-event-id': String(after) };
      const posted = await send('/invocations', post({}, keyed('k', headers)));
      expect(timeless(await posted.text())).toBe(rest);
      const got = await send('/invocations/k/events', { headers });
      expect(got.headers.get('x-stream-protocol')).toBe('resumable-1');
      expect(timeless(await got.text())).toBe(rest);
    }
    const plain = await send('/invocations', post({}, keyed('k')));
    expect(await plain.text()).toBe('data: "a"\n\ndata: "b"\n\ndata: "c"\n\n');
    expect(runs).toBe(1);
  });

  eachServer('is resumed where it was cut, while the handler runs on', async (serve) => {
    let runs = 0;
    const { opened, open } = gate();
    const send = await serve(
      agent(async function* () {
        runs++;
        yield 1;
        yield 2;
        await opened;
        yield 3;
      }),
    );
    const first = await send('/invocations', post({}, keyed('k', resumable)));
    expect(await readFrames(first, 2)).toBe('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n');
    const second = send('/invocations', post({}, keyed('k', { ...resumable, 'last-event-id': '2' })));
    setTimeout(open, 50);
    expect(await (await second).text()).toMatch(/^id: 3\ndata: 3\n\nevent: done\nid: 4\n/);
    expect(runs).toBe(1);
  });

  eachServer('that outgrew its share runs on, and cannot be resumed', async (serve) => {
    const { opened, open } = gate();
    const send = await serve(
      agent(
        async function* () {
          for (let i = 0; i < 50; i++) yield 'x'.repeat(100);
          await opened;
          yield 'last';
        },
        { retention: { bytes: 1000 } },
      ),
    );
    const first = await send('/invocations', post({}, keyed('k', resumable)));
    const resumed = await eventually(async () => {
      const response = await send(
        '/invocations',
        post({}, keyed('k', { ...resumable, 'last-event-id': '1' })),
      );
      expect(response.status).toBe(410);
      return response;
    });
    expect((await json(resumed)).error_type).toBe('invocation_expired');
    open();
    expect(await first.text()).toMatch(/id: 51\ndata: "last"\n\nevent: done\nid: 52\n/);
  });

  eachServer('is not given up when a caller leaves that was refused before', async (serve) => {
    const { opened, open } = gate();
    const send = await serve(
      agent(
        async function* (_request, context) {
          for (let i = 0; i < 50; i++) yield 'x'.repeat(100);
          await opened;
          yield context.signal.aborted ? 'aborted' : 'last';
        },
        { retention: { bytes: 1000 }, resumeGraceMs: 1 },
      ),
    );
    const first = await send('/invocations', post({}, keyed('k', resumable)));
    const leaving = new AbortController();
    await eventually(async () => {
      const headers = keyed('k', { ...resumable, 'last-event-id': '1' });
      const response = await send('/invocations', { ...post({}, headers), signal: leaving.signal });
      expect(response.status).toBe(410);
      await response.text();
    });
    leaving.abort();
    // Longer than the grace.
    await new Promise((resolve) => setTimeout(resolve, 50));
    open();
    expect(await first.text()).toMatch(/id: 51\ndata: "last"\n\nevent: done\nid: 52\n/);
  });

  for (const id of ['-1', '1.5', 'abc', '1e3', '99999999999999999999']) {
    eachServer(`cannot be resumed after what is no event: ${id}`, async (serve) => {
      const send = await serve(agent(() => [1].values()));
      await (await send('/invocations', post({}, keyed('k', resumable)))).text();
      expect((await send('/invocations', post({}, keyed('k', { 'last-event-id': id })))).status).toBe(400);
      expect((await send('/invocations/k/events', { headers: { 'last-event-id': id } })).status).toBe(400);
    });
  }

  eachServer('cannot be resumed after an event that never was', async (serve) => {
    const send = await serve(agent(() => [1].values()));
    await (await send('/invocations', post({}, keyed('k', resumable)))).text();
    expect(
      (await send('/invocations', post({}, keyed('k', { ...resumable, 'last-event-id': '7' })))).status,
    ).toBe(410);
  });
});

describe('a Response', () => {
  eachServer('that a keyed handler made is repeated with its status, headers and bytes', async (serve) => {
    let runs = 0;
    const bytes = new Uint8Array([0, 255, 13, 10]);
    const send = await serve(
      agent(() => new Response(bytes, { status: 203, headers: { 'x-run': String(++runs) } })),
    );
    for (let i = 0; i < 2; i++) {
      const response = await send('/invocations', post({}, keyed('k')));
      expect([response.status, response.headers.get('x-run')]).toEqual([203, '1']);
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
    }
    expect(runs).toBe(1);
  });

  eachServer('that a handler got from another agent is signed by this one', async (serve) => {
    const other = { 'x-runtime-instance': 'other', 'x-invocation-id': 'other' };
    const send = await serve(agent(() => new Response('x', { headers: other })));
    for (const headers of [keyed('k'), {}]) {
      const response = await send('/invocations', post({}, headers));
      expect(response.headers.get('x-runtime-instance')).toMatch(/^[0-9a-f-]{36}$/);
      expect(response.headers.get('x-invocation-id')).not.toContain('other');
    }
  });

  eachServer('whose body breaks off does not come to a clean end', async (serve) => {
    const send = await serve(
      agent(() => {
        let pulls = 0;
        return new Response(
          new ReadableStream({
            pull: (controller) => {
              if (pulls++ === 0) controller.enqueue(new Uint8Array([97]));
              else controller.error(new Error('broken'));
            },
          }),
        );
      }),
    );
    const response = await send('/invocations', post({}));
    await expect(response.text()).rejects.toThrow();
  });
});

describe('an instance', () => {
  eachServer('that was restarted runs nothing for a caller of the one before', async (serve) => {
    let runs = 0;
    const send = await serve(agent(() => ++runs));
    const instance = (await send('/ping')).headers.get('x-runtime-instance') ?? '';
    const right = await send('/invocations', post({}, keyed('k', { 'if-runtime-instance': instance })));
    expect(right.status).toBe(200);
    const wrong = await send('/invocations', post({}, keyed('l', { 'if-runtime-instance': 'another' })));
    expect([wrong.status, (await json(wrong)).error_type]).toEqual([409, 'runtime_restarted']);
    expect(wrong.headers.get('x-runtime-instance')).toBe(instance);
    expect(runs).toBe(1);
  });
});

describe('the state of an invocation', () => {
  const stateOf = async (send: Send, id: string): Promise<Record<string, unknown>> =>
    json(await send(`/invocations/${id}`));

  eachServer('is running, then succeeded with its result', async (serve) => {
    const { opened, open } = gate();
    const send = await serve(agent(async () => opened.then(() => ({ a: 1 }))));
    const answer = send('/invocations', post({}, keyed('a b')));
    await eventually(async () =>
      expect(await stateOf(send, 'a%20b')).toEqual({ invocation_id: 'a b', state: 'running' }),
    );
    open();
    const result = await json(await answer);
    expect(await stateOf(send, 'a%20b')).toEqual({
      invocation_id: 'a b',
      state: 'succeeded',
      result: { a: 1 },
    });
    const events = await (await send('/invocations/a%20b/events')).text();
    const done = { status: 'success', duration: result.duration, metadata: result.metadata, streamed: false };
    expect(result.duration).toBeGreaterThan(0);
    expect(events).toBe(`id: 1\ndata: {"a":1}\n\nevent: done\nid: 2\ndata: ${JSON.stringify(done)}\n\n`);
  });

  eachServer('is at work: its events begin at once, and end with its value', async (serve) => {
    const { opened, open } = gate();
    const send = await serve(agent(() => opened.then(() => 42)));
    const posted = send('/invocations', post({}, keyed('k')));
    await eventually(async () => expect((await send('/invocations/k')).status).toBe(200));
    const events = await send('/invocations/k/events');
    expect(events.headers.get('x-stream-protocol')).toBe('resumable-1');
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe(': ping\n\n');
    open();
    let rest = '';
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) rest += next.value;
    expect(rest).toMatch(/^id: 1\ndata: 42\n\nevent: done\nid: 2\ndata: .*"streamed":false\}\n\n$/);
    await (await posted).text();
  });

  eachServer('is at work, and its events break off when it gives a Response after all', async (serve) => {
    const { opened, open } = gate();
    const send = await serve(agent(() => opened.then(() => new Response('bytes'))));
    const posted = send('/invocations', post({}, keyed('k')));
    await eventually(async () => expect((await send('/invocations/k')).status).toBe(200));
    const events = await send('/invocations/k/events');
    open();
    await expect(events.text()).rejects.toThrow();
    expect(await (await posted).text()).toBe('bytes');
    expect((await send('/invocations/k/events')).status).toBe(410);
  });

  eachServer('is failed, with its error', async (serve) => {
    const send = await serve(
      agent(() => {
        throw new RangeError('far');
      }),
    );
    await send('/invocations', post({}, { 'x-request-id': 'r' }));
    const failure = { error: 'far', error_type: 'RangeError' };
    expect(await stateOf(send, 'r')).toEqual({ invocation_id: 'r', state: 'failed', ...failure });
    const events = await (await send('/invocations/r/events')).text();
    expect(events).toBe(`event: error\nid: 1\ndata: ${JSON.stringify(failure)}\n\n`);
  });

  eachServer('has its result in the raw family too', async (serve) => {
    const send = await serve(agent(() => [1, 2], { responseFormat: 'raw' }));
    await send('/invocations', post({}, { 'x-request-id': 'r' }));
    expect(await stateOf(send, 'r')).toEqual({ invocation_id: 'r', state: 'succeeded', result: [1, 2] });
  });

  eachServer('counts the events of a stream', async (serve) => {
    const send = await serve(agent(() => [1, 2].values()));
    await (await send('/invocations', post({}, keyed('k')))).text();
    expect(await stateOf(send, 'k')).toEqual({ invocation_id: 'k', state: 'succeeded', events: 3 });
  });

  eachServer(
    'of what is not known is a 404, and a 410 for a caller that has seen some of it',
    async (serve) => {
      const send = await serve(agent(() => 1));
      for (const path of [
        '/invocations/no',
        '/invocations/no/events',
        '/invocations/%E0%A4%A',
        '/invocations/%0d%0a',
        '/invocations/%E2%9C%93',
      ]) {
        expect((await send(path)).status).toBe(404);
      }
      expect((await send('/invocations/no', { method: 'DELETE' })).status).toBe(404);
      expect((await send('/invocations/no/events', { headers: { 'last-event-id': '2' } })).status).toBe(410);
      expect((await send('/invocations/no', { method: 'PUT' })).status).toBe(405);
    },
  );
});

describe('cancelling', () => {
  eachServer('aborts the handler and answers its callers', async (serve) => {
    let aborted = false;
    const send = await serve(
      agent(async (_, { signal }) => {
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(signal.reason);
          });
        });
      }),
    );
    const answer = send('/invocations', post({}, keyed('k')));
    await eventually(async () => expect((await send('/invocations/k')).status).toBe(200));
    const deleted = await send('/invocations/k', { method: 'DELETE' });
    expect(deleted.status).toBe(202);
    const result = await answer;
    expect([result.status, (await json(result)).error_type]).toEqual([499, 'CancelledError']);
    expect(aborted).toBe(true);
    expect(await json(await send('/invocations/k'))).toMatchObject({
      state: 'cancelled',
      error_type: 'CancelledError',
    });
  });

  eachServer('ends a stream with its error frame, and changes nothing that has ended', async (serve) => {
    const send = await serve(
      agent(async function* (_, { signal }) {
        yield 1;
        await new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      }),
    );
    const response = await send('/invocations', post({}, keyed('k', resumable)));
    await send('/invocations/k', { method: 'DELETE' });
    const text = await response.text();
    expect(text).toMatch(
      /event: error\nid: \d\ndata: \{"error":"[^"]*","error_type":"CancelledError"\}\n\n$/,
    );
    expect((await send('/invocations/k', { method: 'DELETE' })).status).toBe(202);
    expect(await json(await send('/invocations/k'))).toMatchObject({ state: 'cancelled' });
  });
});

describe('a caller that leaves', () => {
  eachServer('with a key has a while to come back', async (serve) => {
    const { opened, open } = gate();
    let aborted = false;
    const send = await serve(
      agent(async function* (_, { signal }) {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        yield 1;
        await opened;
        yield 2;
      }),
    );
    await readFrames(await send('/invocations', post({}, keyed('k', resumable))), 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(aborted).toBe(false);
    open();
    const text = await (await send('/invocations/k/events', { headers: { 'last-event-id': '1' } })).text();
    expect(text).toMatch(/^id: 2\ndata: 2\n\nevent: done/);
  });

  for (const kind of ['sync', 'async'] as const) {
    eachServer(`from a ${kind} generator that never waits does not stop the world`, async (serve) => {
      let ended = false;
      const send = await serve(
        agent(
          kind === 'sync'
            ? function* () {
                try {
                  for (;;) yield 'x';
                } finally {
                  ended = true;
                }
              }
            : async function* () {
                try {
                  for (;;) yield 'x';
                } finally {
                  ended = true;
                }
              },
          { resumeGraceMs: 300 },
        ),
      );
      await readFrames(await send('/invocations', post({}, keyed('k', resumable))), 1);
      expect((await send('/ping')).status).toBe(200);
      await eventually(() => expect(ended).toBe(true));
    });
  }

  eachServer('with a key for too long is not waited for', async (serve) => {
    let reason: unknown;
    const send = await serve(
      agent(
        async function* (_, { signal }) {
          yield 1;
          await new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => {
              reason = signal.reason;
              reject(signal.reason);
            }),
          );
        },
        { resumeGraceMs: 50 },
      ),
    );
    await readFrames(await send('/invocations', post({}, keyed('k', resumable))), 1);
    await eventually(() => expect(reason).toMatchObject({ type: 'AbortError' }));
    await eventually(async () =>
      expect(await json(await send('/invocations/k'))).toMatchObject({ state: 'cancelled' }),
    );
  });

  test('while others wait for the same invocation does not end it', async () => {
    const { opened, open } = gate();
    const app = agent(async () => opened.then(() => 'done'), { resumeGraceMs: 1 });
    const leaving = new AbortController();
    const request = (signal?: AbortSignal): Request =>
      new Request('http://agent/invocations', { ...post({}, keyed('k')), ...(signal && { signal }) });
    // What is loaded for the first request of an app is loaded by then.
    await app.fetch(new Request('http://agent/ping'));
    void app.fetch(request(leaving.signal));
    const staying = app.fetch(request());
    await new Promise((resolve) => setTimeout(resolve, 20));
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 50));
    open();
    expect(await json(await staying)).toMatchObject({ result: 'done' });
    await app.close();
  });
});
