import { refusals } from '@sandpiper/protocol';
import { describe, expect, test } from 'vitest';
import { agent } from '../../test/agent.js';
import { eachServer, json, post, type Send } from '../../test/each-server.js';
import { eventually } from '../../test/eventually.js';
import { AgentRuntimeApp } from '../node/node-app.js';

async function refusalOf(response: Promise<Response>): Promise<[status: number, type: unknown]> {
  const { status } = await response;
  return [status, (await json(await response)).error_type];
}

describe('what the runtime itself refuses has a type of its own', () => {
  const requests: Record<string, [request: Parameters<Send>, status: number, type: string]> = {
    'a body that is no JSON': [['/invocations', { method: 'POST', body: '{' }], 400, refusals.invalidJson],
    'a body that is not UTF-8': [
      ['/invocations', { method: 'POST', body: new Uint8Array([0xff]) }],
      400,
      refusals.invalidEncoding,
    ],
    'a header that is wrong': [
      ['/invocations', post({}, { 'last-event-id': 'x' })],
      400,
      refusals.badRequest,
    ],
    'a body that is too large': [['/invocations', post('x'.repeat(2000))], 413, refusals.requestTooLarge],
    'a path that is not there': [['/nowhere'], 404, refusals.notFound],
    'an invocation that is not known': [['/invocations/no'], 404, refusals.notFound],
    'a method that is not taken': [['/ping', { method: 'PUT' }], 405, refusals.methodNotAllowed],
    'another instance': [
      ['/invocations', post({}, { 'if-runtime-instance': 'another' })],
      409,
      refusals.runtimeRestarted,
    ],
  };
  for (const [name, [request, status, type]] of Object.entries(requests)) {
    eachServer(name, async (serve) => {
      const send = await serve(agent(() => 1, { maxRequestBytes: 1000 }));
      expect(await refusalOf(send(...request))).toEqual([status, type]);
    });
  }

  eachServer('a request without a token', async (serve) => {
    const send = await serve(agent(() => 1, { auth: { bearerToken: 'secret' } }));
    expect(await refusalOf(send('/invocations', post({})))).toEqual([401, refusals.unauthenticated]);
  });

  eachServer('one request more than run at once', async (serve) => {
    let end = (): void => {};
    const running = new Promise<void>((resolve) => {
      end = resolve;
    });
    const send = await serve(agent(async () => running, { maxConcurrency: 1 }));
    const first = send('/invocations', post({}));
    await eventually(async () => expect((await json(await send('/ping'))).status).toBe('HealthyBusy'));
    expect(await refusalOf(send('/invocations', post({})))).toEqual([503, refusals.unavailable]);
    end();
    expect((await first).status).toBe(200);
  });

  test('a request to an agent without a handler', async () => {
    const app = new AgentRuntimeApp();
    const response = app.fetch(new Request('http://agent/invocations', post({})));
    expect(await refusalOf(response)).toEqual([500, refusals.noEntrypoint]);
  });
});

describe('an error that a handler throws is no refusal', () => {
  // As `openai` throws what a provider answered with: an error class per status, the status on it.
  class AuthenticationError extends Error {
    readonly status = 401;
  }

  for (const responseFormat of ['envelope', 'raw'] as const) {
    eachServer(`when it carries the status of a provider's refusal, ${responseFormat}`, async (serve) => {
      const fail = (): never => {
        throw new AuthenticationError('Incorrect API key provided');
      };
      const send = await serve(agent(fail, { responseFormat }));
      const [status, type] = await refusalOf(send('/invocations', post({})));
      expect(status).toBe(401);
      // The raw family names the type of the runtime's own refusals only.
      expect(type).toBe(responseFormat === 'raw' ? undefined : 'AuthenticationError');
    });
  }

  eachServer('whatever it is named, before and in a stream', async (serve) => {
    const named = (name: string): Error => Object.assign(new Error('quoted'), { name, status: 503 });
    const send = await serve(
      agent((request) => {
        if (request !== 'stream') throw named(String(request));
        return (async function* () {
          yield 1;
          throw named(refusals.unavailable);
        })();
      }),
    );
    for (const type of Object.values(refusals)) {
      expect(await refusalOf(send('/invocations', post(type)))).toEqual([503, 'Error']);
    }
    expect(await (await send('/invocations', post('stream'))).text()).toContain('"error_type":"Error"');
  });
});
