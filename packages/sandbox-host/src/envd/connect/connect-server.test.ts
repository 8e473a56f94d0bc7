import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, ConnectError as ClientError, Code, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Process, Signal } from '../gen/process_pb.js';
import { ConnectError } from './connect-error.js';
import { ConnectServer } from './connect-server.js';
import { envelope } from './envelopes.js';
import type { Handlers } from './service.js';

/** What became of calls that were followed. */
const ended: string[] = [];

const handlers: Handlers<typeof Process, string> = {
  list: (_, { caller }) => ({ processes: [{ pid: 7, tag: caller }] }),
  async *start({ process, tag }, { signal }) {
    yield { event: { event: { case: 'start', value: { pid: process?.args.length ?? 0 } } } };
    if (tag === 'refuse') throw new HostError(404, 'It is not there.');
    try {
      for (let n = 0; tag === 'forever' && !signal.aborted; n++) {
        const value = { output: { case: 'stdout' as const, value: Buffer.from([n % 256]) } };
        yield { event: { event: { case: 'data', value } } };
        await sleep(5, undefined, { signal }).catch(() => {});
      }
    } finally {
      ended.push(tag ?? '');
    }
    yield {
      event: { event: { case: 'end', value: { exitCode: -1, exited: true, status: 'exit status 0' } } },
    };
  },
  // biome-ignore lint/correctness/useYield: it is refused.
  async *connect() {
    throw new Error('a fault of the host');
  },
  async streamInput(requests) {
    let text = '';
    for await (const { event } of requests) {
      if (event.case === 'data' && event.value.input?.input.case === 'stdin')
        text += Buffer.from(event.value.input.input.value);
    }
    throw new ConnectError(`It has read ${text}.`, 'failed_precondition');
  },
  sendSignal({ signal }) {
    if (signal === Signal.SIGKILL) throw new HostError(507, 'It is full.');
    return {};
  },
  update: () => ({}),
  sendInput: () => ({}),
  closeStdin: () => ({}),
};

const services = new ConnectServer<string>(console).service(Process, handlers);
const server = createServer((request, response) => {
  void services.serve('caller', request.url ?? '/', request, response);
});
let baseUrl = '';
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe.each([{ useBinaryFormat: false }, { useBinaryFormat: true }])(
  "Connect's own client, %o",
  (format) => {
    let client: Client<typeof Process>;
    beforeAll(() => {
      client = createClient(Process, createConnectTransport({ baseUrl, httpVersion: '1.1', ...format }));
    });

    test('calls a method', async () => {
      const { processes } = await client.list({});
      expect(processes).toMatchObject([{ pid: 7, tag: 'caller' }]);
      expect(await client.update({ pty: { size: { cols: 3, rows: 4 } } })).toMatchObject({});
    });

    test('reads a stream to its end', async () => {
      const cases: (string | undefined)[] = [];
      for await (const { event } of client.start({ process: { cmd: 'x', args: ['a', 'b'] } })) {
        cases.push(event?.event.case);
        if (event?.event.case === 'start') expect(event.event.value.pid).toBe(2);
        if (event?.event.case === 'end')
          expect(event.event.value).toMatchObject({ exitCode: -1, exited: true });
      }
      expect(cases).toEqual(['start', 'end']);
    });

    test('sends a stream, and hears of a refusal in the words of the protocol', async () => {
      async function* input() {
        for (const text of ['one ', 'two']) {
          const value = { input: { input: { case: 'stdin' as const, value: Buffer.from(text) } } };
          yield { event: { case: 'data' as const, value } };
        }
      }
      const refused = ClientError.from(await client.streamInput(input()).catch((error: unknown) => error));
      expect([refused.code, refused.rawMessage]).toEqual([Code.FailedPrecondition, 'It has read one two.']);
    });

    test('hears of a refusal of a method, and in the midst of a stream', async () => {
      const full = ClientError.from(
        await client.sendSignal({ signal: Signal.SIGKILL }).catch((error: unknown) => error),
      );
      expect([full.code, full.rawMessage]).toEqual([Code.Internal, 'It is full.']);
      const events: unknown[] = [];
      const refused = (async () => {
        for await (const { event } of client.start({ process: { cmd: 'x' }, tag: 'refuse' }))
          events.push(event);
      })();
      await expect(refused).rejects.toMatchObject({ code: Code.NotFound, rawMessage: 'It is not there.' });
      expect(events).toHaveLength(1);
    });

    test('does not hear what went wrong inside; the log does', async () => {
      const log = vi.spyOn(console, 'error').mockImplementation(() => {});
      const failed = (async () => {
        for await (const _ of client.connect({})) expect.unreachable();
      })();
      await expect(failed).rejects.toMatchObject({ code: Code.Internal });
      await expect(failed).rejects.not.toThrow(/a fault/);
      expect(log).toHaveBeenCalledWith(
        { err: expect.objectContaining({ message: 'a fault of the host' }) },
        expect.any(String),
      );
      log.mockRestore();
    });

    test('ends what it follows by leaving', async () => {
      ended.length = 0;
      const leaving = new AbortController();
      const left = (async () => {
        for await (const _ of client.start({ tag: 'forever' }, { signal: leaving.signal })) leaving.abort();
      })();
      await expect(left).rejects.toMatchObject({ code: Code.Canceled });
      await expect.poll(() => ended).toEqual(['forever']);
    });
  },
);

/** A request as it is written. */
async function raw(
  path: string,
  headers: Record<string, string>,
  body: string | Buffer = '',
  method = 'POST',
) {
  const sent = send(baseUrl + path, { method, headers });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) };
}
const stream = { 'content-type': 'application/connect+json' };
const json = { 'content-type': 'application/json; charset=utf-8' };
const lastOf = (body: Buffer) =>
  JSON.parse(body.subarray(body.lastIndexOf('\u0002\u0000\u0000') + 5).toString());

test('what is not a call is told what would be one', async () => {
  expect((await raw('/process.Process/Nothing', json)).status).toBe(404);
  const got = await raw('/process.Process/List', json, '', 'GET');
  expect([got.status, got.headers.allow]).toEqual([405, 'POST']);
  const typed = await raw('/process.Process/Start', json, '{}');
  expect([typed.status, typed.headers['accept-post']]).toEqual([
    415,
    'application/connect+json, application/connect+proto',
  ]);
  expect((await raw('/process.Process/List', stream, envelope(0, '{}'))).status).toBe(415);
  expect((await raw('/process.Process/List', { 'content-type': 'text/plain' }, '{}')).status).toBe(415);
});

test('a deadline ends a stream, with that as the reason', async () => {
  ended.length = 0;
  const begun = performance.now();
  const { body } = await raw(
    '/process.Process/Start',
    { ...stream, 'connect-timeout-ms': '200' },
    envelope(0, '{"tag":"forever"}'),
  );
  expect(lastOf(body).error.code).toBe('deadline_exceeded');
  expect(performance.now() - begun).toBeGreaterThan(190);
  expect(ended).toEqual(['forever']);
});

test('messages that cannot be read are refused, and so are those that are too long', async () => {
  for (const [headers, text, code] of [
    [json, '{', 'invalid_argument'],
    [json, '{"processes":7}', undefined],
    [{ ...json, 'content-encoding': 'gzip' }, '{}', 'unimplemented'],
    [{ ...json, 'connect-timeout-ms': 'soon' }, '{}', 'invalid_argument'],
  ] as const) {
    const answer = await raw('/process.Process/List', headers, text);
    expect(JSON.parse(answer.body.toString()).code, text).toBe(code);
    expect(answer.status).toBe(code === undefined ? 200 : code === 'unimplemented' ? 501 : 400);
  }
  for (const [bytes, code] of [
    [Buffer.alloc(0), 'invalid_argument'],
    [envelope(0, '{"tag":7}'), 'invalid_argument'],
    [envelope(0, '{}').subarray(0, 6), 'invalid_argument'],
    [Buffer.concat([envelope(0, '{}'), envelope(0, '{}')]), 'invalid_argument'],
    [envelope(1, '{}'), 'unimplemented'],
    [envelope(0, Buffer.alloc(4 * 1024 * 1024 + 1)), 'resource_exhausted'],
  ] as const) {
    const answer = await raw('/process.Process/Start', stream, bytes);
    expect([answer.status, lastOf(answer.body).error.code]).toEqual([200, code]);
  }
});
