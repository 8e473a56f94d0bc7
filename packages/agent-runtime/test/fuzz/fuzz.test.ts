import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectAllowed } from './allowed.js';
import { bodies, encode, type HostileRequest, hostileHeaders, methods, post, targets } from './hostile.js';
import { type HostileBytes, hostileBytes } from './hostile-bytes.js';
import { type Memory, Target } from './target.js';
import { type RawResponse, send } from './wire.js';

/** Each run sends the same requests; another seed sends others. */
const seed = Number(process.env.FUZZ_SEED ?? 20_261_122);

const MiB = 1024 * 1024;

let requests = 0;

describe(`an agent that is sent nonsense (seed ${seed}; FUZZ_SEED sets another)`, () => {
  fuzz('gives back every JSON body, and says of every other what is wrong with it', {
    batches: 270,
    request: fc.record({ body: bodies, asStream: fc.boolean() }),
    send: (agent, batch) =>
      agent.askAll(
        batch.map(({ body, asStream }) => ({
          ...post(body),
          headers: asStream ? [['x-agent', 'stream'] as const] : [],
        })),
        expectEcho,
      ),
  });

  fuzz('answers every method, path and header as the wire protocol allows', {
    batches: 270,
    request: fc.record<HostileRequest>({
      method: methods,
      target: targets,
      headers: hostileHeaders,
      body: fc.oneof(
        { weight: 3, arbitrary: fc.constant(Buffer.alloc(0)) },
        { weight: 1, arbitrary: bodies },
      ),
    }),
    send: (agent, batch) => agent.askAll(batch),
  });

  fuzz("answers callers who share few keys, whatever they want of each other's invocations", {
    batches: 160,
    request: fc.record({
      key: fc.constantFrom('shared-1', 'shared-2', 'shared-3'),
      body: fc.constantFrom('{"a":1}', '{"a":2}', '{"a":'),
      does: fc.constantFrom('invoke', 'invoke', 'state', 'events', 'cancel'),
      headers: hostileHeaders,
    }),
    send: (agent, batch) => agent.askAll(batch.map(sharing)),
  });

  fuzz('answers requests that come one behind the other in their order', {
    batches: 100,
    request: fc.record({ id: fc.uuid(), value: fc.integer(), asStream: fc.boolean() }),
    send: async ({ port }, batch) => {
      const sent = batch.map(({ id, value, asStream }) => ({
        ...post(Buffer.from(String(value))),
        headers: [['x-request-id', id] as const, ['x-agent', asStream ? 'stream' : ''] as const],
      }));
      const whole = Buffer.concat(sent.map(encode));
      const responses = await send(port, {
        pieces: slices(whole),
        methods: sent.map(({ method }) => method),
      });
      for (const response of responses) expectAllowed(response);
      expect(responses.map(({ headers }) => headers.get('x-request-id')?.[0])).toEqual(
        batch.map(({ id }) => id),
      );
    },
  });

  fuzz('closes every connection that speaks no HTTP, lies about lengths or ends half-way', {
    batches: 160,
    request: hostileBytes,
    send: async ({ port }, batch) => {
      await Promise.all(batch.map((bytes) => sendHostile(port, bytes)));
    },
  });

  fuzz('lets callers leave wherever they are', {
    batches: 60,
    request: fc.record({
      key: fc.constantFrom('', 'left-1', 'left-2'),
      value: fc.jsonValue(),
      leaveAt: fc.nat(),
      asStream: fc.boolean(),
    }),
    send: async ({ port }, batch) => {
      await Promise.all(
        batch.map(({ key, value, leaveAt, asStream }) => {
          const bytes = encode({
            ...post(Buffer.from(JSON.stringify(value))),
            headers: [
              ['x-agent', asStream ? 'stream' : ''],
              ['idempotency-key', key],
              ['x-stream-protocol', 'resumable-1'],
            ],
          });
          return send(port, { pieces: [bytes.subarray(0, leaveAt % (bytes.length + 1))], after: 'leave' });
        }),
      );
    },
  });

  test('has been sent at least 20,000 requests by then', () => {
    expect(requests).toBeGreaterThanOrEqual(20_000);
  });
});

interface Fuzz<Request> {
  readonly batches: number;
  readonly request: fc.Arbitrary<Request>;
  readonly send: (agent: Target, batch: Request[]) => Promise<void>;
}

const batchSize = 20;

/** Registers a test that sends batches of requests to an agent, and a good request after each batch. */
function fuzz<Request>(name: string, { batches, request, send }: Fuzz<Request>): void {
  test(name, { timeout: 600_000 }, async () => {
    const agent = await Target.start();
    const batch = fc.array(request, { minLength: batchSize, maxLength: batchSize });
    let before: Memory | undefined;
    const property = fc.asyncProperty(batch, async (sent) => {
      await send(agent, sent);
      await agent.check();
      // After the first batch, because caches and compiled code are no leak.
      before ??= await agent.memory();
      requests += sent.length;
    });
    const { failed, errorInstance, counterexamplePath } = await fc.check(property, {
      seed,
      numRuns: batches,
      // A batch is small enough to be read, and the error says which request of it is to blame.
      endOnFailure: true,
    });
    if (failed) throw new Error(`Seed ${seed}, batch ${counterexamplePath}: ${errorInstance}`);
    const after = await agent.memory();
    expect(after.heapUsed - (before?.heapUsed ?? 0)).toBeLessThan(16 * MiB);
    expect(after.rss).toBeLessThan(320 * MiB);
  });
}

/** What an agent that gives back must say to a body. */
function expectEcho(response: RawResponse, { body, headers }: HostileRequest): void {
  const expected = echoOf(body);
  if (body.length > 64 * 1024) expect(response.status).toBe(413);
  else if (expected === undefined) expect(response.status).toBe(400);
  else if (headers.length > 0) expect(response.headers.get('content-type')?.[0]).toMatch('event-stream');
  // What is nested too deep to be written is the one value that cannot be given back.
  else if (response.status === 500) expect(bracketsIn(body)).toBeGreaterThan(500);
  else expect(String(response.body)).toContain(`{"result":${expected},"status":"success"`);
}

/** What the agent gives back for a body, as JSON; undefined for a body that is no JSON in UTF-8. */
function echoOf(body: Buffer): string | undefined {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    value = text === '' ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
  try {
    return JSON.stringify(value);
  } catch {
    return 'nested too deep to be written here';
  }
}

function bracketsIn(body: Buffer): number {
  return body.filter((byte) => byte === 0x5b || byte === 0x7b).length;
}

function sharing(wish: {
  key: string;
  body: string;
  does: string;
  headers: [string, string][];
}): HostileRequest {
  const { key, body, does } = wish;
  const headers = wish.headers.filter(([name]) => name !== 'idempotency-key');
  const target = `/invocations/${key}`;
  const none = Buffer.alloc(0);
  switch (does) {
    case 'state':
      return { method: 'GET', target, headers, body: none };
    case 'events':
      return { method: 'GET', target: `${target}/events`, headers, body: none };
    case 'cancel':
      return { method: 'DELETE', target, headers, body: none };
    default:
      return { ...post(Buffer.from(body)), headers: [['idempotency-key', key], ...headers] };
  }
}

/** Cuts bytes where no reader expects it. */
function slices(bytes: Buffer): Buffer[] {
  const cuts = [0, 1, bytes.length >> 2, (bytes.length >> 1) + 1, bytes.length];
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
}

async function sendHostile(port: number, { pieces, refused }: HostileBytes): Promise<void> {
  try {
    const responses = await send(port, { pieces, after: 'end' });
    for (const response of responses) expectAllowed(response);
    if (refused) expect(responses.some(({ status }) => status >= 400)).toBe(true);
  } catch (error) {
    throw new Error(`${JSON.stringify(String(Buffer.concat(pieces)).slice(0, 800))}\n${error}`);
  }
}
