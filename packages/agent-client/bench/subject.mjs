// One subject of a measurement, in a process of its own: `node subject.mjs <subject> <port>`, forked.
// A limit tells what it found and ends; any other subject is told how much to do, round by round, and tells what a unit
// of it cost.
const [subject, port] = [process.argv[2], Number(process.argv[3])];
const origin = `http://127.0.0.1:${port}`;

/** A session through the whole client, as a user has one. */
async function openSession(config = {}) {
  const { AgentRuntimeClient } = await import('../dist/index.js');
  const client = new AgentRuntimeClient({ apiKey: 'bench', apiUrl: origin, sandboxUrl: origin, config });
  return { client, session: await client.createSession('bench') };
}

const subjects = {
  async 'invoke: undici.request + JSON.parse'() {
    const { Agent, request } = await import('undici');
    const dispatcher = new Agent({ connections: 100 });
    const body = JSON.stringify({ prompt: 'hello' });
    const one = async () => {
      const response = await request(`${origin}/invocations`, {
        dispatcher,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      return JSON.parse(await response.body.text()).result;
    };
    return { one: concurrently(one), close: () => dispatcher.close() };
  },
  async 'invoke: agent-client'() {
    const { client, session } = await openSession();
    const one = async () => (await session.invoke('hello')).result;
    return { one: concurrently(one), close: () => client.close() };
  },
  async 'invoke: fetch'() {
    const body = JSON.stringify({ prompt: 'hello' });
    const one = async () => {
      const response = await fetch(`${origin}/invocations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      return (await response.json()).result;
    };
    return { one: concurrently(one), close: () => {} };
  },
  'stream: undici + eventsource-parser by hand': () => readByHand({}),
  // The bytes that our client gets: numbered, so that a cut stream can be taken up where it was.
  'stream: the same, of numbered events': () => readByHand({ 'x-stream-protocol': 'resumable-1' }),
  async 'stream: agent-client'() {
    const { client, session } = await openSession();
    const events = (count) => session.stream({ data: { events: count } });
    return { one: counting(events), close: () => client.close() };
  },
  async 'stream: openai'() {
    const { default: OpenAI } = await import('openai');
    const client = new OpenAI({ apiKey: 'bench', baseURL: `${origin}/v1` });
    async function* events(count) {
      yield* await client.chat.completions.create({ model: 'm', messages: [], stream: true, n: count });
    }
    return { one: counting(events), close: () => {} };
  },
};

/** A stream as one would wire it by hand. */
async function readByHand(protocol) {
  const { Agent, request } = await import('undici');
  const { createParser } = await import('eventsource-parser');
  const dispatcher = new Agent({ connections: 100 });
  async function* events(count) {
    const { body } = await request(`${origin}/invocations`, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...protocol },
      body: JSON.stringify({ data: { events: count } }),
    });
    const values = [];
    const parser = createParser({
      onEvent: ({ data, event }) => {
        if (data !== '[DONE]' && event !== 'done') values.push(JSON.parse(data));
      },
    });
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      yield* values;
      values.length = 0;
    }
  }
  return { one: counting(events), close: () => dispatcher.close() };
}

/** This many calls, sixteen at a time. */
function concurrently(one) {
  return async (count) => {
    let left = count;
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        await one();
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
  };
}

/** A stream of this many events, read to its end. */
function counting(events) {
  return async (count) => {
    let seen = 0;
    for await (const _ of events(count)) seen += 1;
    if (seen !== count) throw new Error(`${seen} of ${count} events came`);
  };
}

const limits = {
  /** Memory while one reader takes a gibibyte of events. */
  async 'limits: a stream of 1 GiB'() {
    const { client, session } = await openSession();
    const padding = 8_000;
    const events = Math.ceil(2 ** 30 / padding);
    let bytes = 0;
    let seen = 0;
    let settled = 0;
    let peak = 0;
    const started = performance.now();
    for await (const value of session.stream({ data: { events, padding } })) {
      bytes += value.length;
      seen += 1;
      if (seen % 2_000 !== 0) continue;
      const rss = process.memoryUsage.rss();
      // The first eighth lets the heap find its size.
      if (seen < events / 8) settled = rss;
      peak = Math.max(peak, rss);
    }
    const seconds = (performance.now() - started) / 1000;
    await client.close();
    return {
      seconds: round(seconds),
      mebibytes: round(bytes / 2 ** 20),
      settledRssMiB: mib(settled),
      peakRssMiB: mib(peak),
    };
  },
  /** A slow stream for each connection, on one client. */
  async 'limits: 1,000 streams at once'() {
    const { client, session } = await openSession({ maxConnections: 1_000 });
    const before = process.memoryUsage.rss();
    const started = performance.now();
    const one = counting((count) => session.stream({ data: { events: count, perWrite: 1, everyMs: 50 } }));
    await Promise.all(Array.from({ length: 1_000 }, () => one(40)));
    const seconds = (performance.now() - started) / 1000;
    const rss = process.memoryUsage.rss();
    await client.close();
    return {
      seconds: round(seconds),
      events: 40_000,
      rssMiBPerStream: round((rss - before) / 2 ** 20 / 1_000),
    };
  },
};

const mib = (bytes) => Math.round(bytes / 2 ** 20);
const round = (number) => Math.round(number * 1000) / 1000;

if (limits[subject]) {
  process.send({ name: subject.slice('limits: '.length), ...(await limits[subject]()) });
  process.disconnect();
} else {
  const { one, close } = await subjects[subject]();
  process.on('message', async (size) => {
    // What the round before left behind is not this one's to clear away.
    globalThis.gc();
    const before = process.cpuUsage();
    await one(size);
    const { user, system } = process.cpuUsage(before);
    process.send((user + system) / size);
  });
  process.on('disconnect', close);
}
