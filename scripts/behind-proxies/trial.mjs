// What is tried through each proxy: a real host, real sandboxes with a real agent, and agent-client.
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { AgentRuntimeClient } from '@sandpiper/agent-client';
import { Sandbox } from 'e2b';

/**
 * @typedef {object} Trial
 * @property {string} at - The proxy's origin.
 * @property {string} direct - The host's own.
 * @property {string} domain - The host's.
 * @property {string} apiKey
 * @property {string} template - Of the agent beside this file.
 * @property {() => Promise<void>} restart - Kills the proxy, and starts it again.
 * @property {number} silentSeconds - How long calls and commands are silent.
 * @property {(work: () => Promise<unknown>) => Promise<unknown>} alone - Runs one work of all trials at a time.
 *
 * @typedef {{ ok: boolean, text: string }} Result
 */

/**
 * @param {Trial} trial
 * @returns {Promise<Record<string, Result>>} By the names of `checks.mjs`; all fail alike where no session can be made.
 */
export async function tryProxy(trial) {
  const { at, apiKey, template, silentSeconds } = trial;
  const client = new AgentRuntimeClient({
    apiKey,
    apiUrl: at,
    sandboxUrl: at,
    timeoutMs: 120_000,
    retryDelayMs: 200,
    maxRetries: 6,
    readyTimeoutMs: 20_000,
  });
  const results = {};
  const check = async (name, run, seconds = 20) => {
    try {
      results[name] = await within(seconds, run(trial, sessions));
    } catch (error) {
      results[name] = { ok: false, text: String(error.message ?? error).split('\n')[0] };
    }
  };
  let sessions = [];
  try {
    await trial.alone(async () => {
      const creating = [1, 2].map(() => client.createSession(template, { lifetimeMs: 900_000 }));
      sessions = await within(60, Promise.all(creating));
      await check('late', late);
      const short = { webSocket, files, caches, head, path, authorization, remove, spread, broken };
      for (const [name, run] of Object.entries(short)) await check(name, run);
    });
    // These wait for most of their time, so they wait together.
    await Promise.all([
      check('silent', silent, silentSeconds + 40),
      check('plain', plain, silentSeconds + 10),
      check('silentStream', silentStream, silentSeconds + 10),
      check('silentSocket', silentSocket, silentSeconds + 10),
      check('command', command, silentSeconds + 20),
      check('left', left, 55),
      check('leftWithKey', leftWithKey, 65),
      check('cancelled', cancelled),
    ]);
    await check('cut', cut, 30);
  } catch (error) {
    results.late ??= { ok: false, text: `no session: ${String(error.message).split('\n')[0]}` };
  } finally {
    // Not through the proxy, which may hold them back.
    const direct = { apiKey, apiUrl: trial.direct };
    await Promise.all(sessions.map(({ sandboxId }) => Sandbox.kill(sandboxId, direct).catch(() => false)));
    await within(5, client.close()).catch(() => {});
  }
  return results;
}

/** How late events are through the proxy, beside how late they are without it. */
async function late({ at, direct }, [session]) {
  const lateness = async (origin, n = 40) => {
    const id = randomUUID();
    const response = await call(origin, session, { id, kind: 'count', n, ms: 25 });
    const each = [];
    for await (const { value, at: arrival } of events(response)) each.push(arrival - value.at);
    if (each.length !== n) throw new Error(`${each.length} of ${n} events came`);
    return each.toSorted((a, b) => a - b)[n / 2];
  };
  // The first call is slower than others.
  await lateness(direct, 4);
  const without = await lateness(direct);
  const ms = (await lateness(at)) - without;
  return { ok: ms < 50, text: `${ms.toFixed(1)} ms` };
}

/** A call that says nothing for longer than the proxy waits. */
async function silent(trial, [session]) {
  const id = randomUUID();
  const { result, attempts } = await session.invoke({ id, kind: 'sleep', ms: trial.silentSeconds * 1000 });
  const { runs } = await seen(trial, session, id);
  const ok = result === 'awake' && runs === 1;
  return { ok, text: `ran ${times(runs)}, ${attempts === 1 ? 'one request' : `${attempts} requests`}` };
}

/** The same call of a caller that knows no keys, which gets what the proxy makes of it. */
async function plain({ at, silentSeconds }, [session]) {
  const began = performance.now();
  const how = { id: randomUUID(), kind: 'sleep', ms: silentSeconds * 1000 };
  const status = await call(at, session, how).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => 'cut',
  );
  return { ok: true, text: `${status} after ${seconds(performance.now() - began)}` };
}

/** A stream of a server that sends no heartbeats. */
async function silentStream({ at, silentSeconds }, [session]) {
  const response = await fetch(`${at}/pause/${silentSeconds * 1000}`, { headers: naming(session) });
  const began = performance.now();
  const text = await response.text().catch(() => '');
  const kept = text.includes('data: 2');
  return { ok: true, text: kept ? 'kept' : `cut after ${seconds(performance.now() - began)}` };
}

/** A command that prints, is silent for longer than the proxy waits, and prints again. */
async function command(trial, [session]) {
  const connection = { apiKey: trial.apiKey, apiUrl: trial.at, sandboxUrl: trial.at };
  const sandbox = await Sandbox.connect(session.sandboxId, connection);
  const began = performance.now();
  let first;
  const { stdout } = await sandbox.commands.run(`echo first; sleep ${trial.silentSeconds}; echo last`, {
    timeoutMs: 120_000,
    onStdout: () => (first ??= performance.now() - began),
  });
  if (stdout !== 'first\nlast\n') throw new Error(`printed ${JSON.stringify(stdout)}`);
  return { ok: first < 2_000, text: first < 2_000 ? 'yes' : `its output after ${seconds(first)}` };
}

/** A caller without a key that leaves a stream. */
function left(trial, sessions) {
  return leaving(trial, sessions, {}, 50_000);
}

/** One with a key, whose stream this agent's runtime keeps for 10 s more. */
function leftWithKey(trial, sessions) {
  return leaving(trial, sessions, { 'idempotency-key': randomUUID() }, 60_000);
}

async function leaving(trial, [session], headers, boundMs) {
  const id = randomUUID();
  const controller = new AbortController();
  const response = await call(
    trial.at,
    session,
    { id, kind: 'until left' },
    { headers, signal: controller.signal },
  );
  for await (const _ of events(response)) break;
  const leftAt = Date.now();
  controller.abort();
  const ms = (await seenLeaving(trial, session, id)) - leftAt;
  return { ok: ms < boundMs, text: seconds(ms) };
}

/** agent-client's own leaving, which says so by a request. */
async function cancelled(trial, [session]) {
  const id = randomUUID();
  let leftAt;
  for await (const _ of session.stream({ id, kind: 'until left' })) {
    leftAt = Date.now();
    break;
  }
  const ms = (await seenLeaving(trial, session, id)) - leftAt;
  return { ok: ms < 2_000, text: seconds(ms) };
}

async function seenLeaving(trial, session, id) {
  for (;;) {
    const { leftAt } = await seen(trial, session, id);
    if (leftAt) return leftAt;
    await setTimeout(100);
  }
}

/** A stream during which the proxy is killed and started again. */
async function cut(trial, [session]) {
  const id = randomUUID();
  const order = [];
  for await (const { i } of session.stream({ id, kind: 'count', n: 30, ms: 50 })) {
    order.push(i);
    if (i === 5) await trial.restart();
  }
  const { runs } = await seen(trial, session, id);
  const whole = order.length === 30 && order.every((i, index) => i === index);
  return {
    ok: whole && runs === 1,
    text: `${whole ? 'each event once' : order.join(' ')}, ran ${times(runs)}`,
  };
}

async function files(trial, [session]) {
  const connection = { apiKey: trial.apiKey, apiUrl: trial.at, sandboxUrl: trial.at };
  const sandbox = await Sandbox.connect(session.sandboxId, connection);
  const bytes = randomBytes(5_000_000);
  await sandbox.files.write('five', new Blob([bytes]));
  const back = Buffer.from(await sandbox.files.read('five', { format: 'bytes' }));
  return { ok: back.equals(bytes), text: back.equals(bytes) ? 'yes' : 'changed' };
}

/** To the name that E2B's SDK gives for a port, which only comes through with `Host` and `Upgrade`. */
async function webSocket(trial, [session]) {
  const socket = await openSocket(trial, session);
  try {
    await echo(socket);
    return { ok: true, text: 'yes' };
  } finally {
    socket.destroy();
  }
}

async function silentSocket(trial, [session]) {
  const socket = await openSocket(trial, session).catch(() => undefined);
  if (!socket) return { ok: true, text: '–' };
  try {
    const began = performance.now();
    const ended = new AbortController();
    socket.on('close', () => ended.abort()).on('error', () => {});
    await setTimeout(trial.silentSeconds * 1000, undefined, { signal: ended.signal }).catch(() => {});
    if (ended.signal.aborted) return { ok: true, text: `cut after ${seconds(performance.now() - began)}` };
    await echo(socket);
    return { ok: true, text: 'kept' };
  } finally {
    socket.destroy();
  }
}

async function openSocket({ at, domain }, session) {
  const opening = request(`${at}/ws`, {
    headers: {
      host: `8080-${session.sandboxId}.${domain}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    },
  }).end();
  return new Promise((resolve, reject) => {
    opening.on('error', reject);
    opening.on('response', (response) => {
      response.resume();
      reject(new Error(String(response.statusCode)));
    });
    opening.on('upgrade', (_response, socket, head) => {
      socket.unshift(head);
      resolve(socket);
    });
  });
}

async function echo(socket) {
  // A text frame with a mask of zeros (RFC 6455, 5.2).
  socket.write(Buffer.concat([Buffer.from([0x81, 0x82, 0, 0, 0, 0]), Buffer.from('hi')]));
  let came = '';
  while (!came.includes('echo hi')) came += (await once(socket, 'data'))[0].toString('latin1');
}

/** Whether the beginning of an upload arrives before its end is sent. */
async function spread({ at }, [session]) {
  const upload = request(`${at}/spread`, { method: 'POST', headers: naming(session) });
  const send = async () => {
    upload.write(Buffer.alloc(100_000));
    await setTimeout(1_000);
    upload.end('end');
  };
  const [[response]] = await Promise.all([once(upload, 'response'), send()]);
  const ms = Number(Buffer.concat(await response.toArray()));
  return { ok: true, text: ms > 500 ? 'streamed' : 'held back' };
}

/** Whether a plain caller can tell that a stream is not whole. */
async function broken({ at }, [session]) {
  const response = await fetch(`${at}/broken`, { headers: naming(session) });
  const whole = await response.text().then(
    () => true,
    () => false,
  );
  return { ok: true, text: whole ? 'like an end' : 'a cut' };
}

/** Whether anyone gets what was said to another. */
async function caches({ at, apiKey }, [one, two]) {
  const info = (headers) => fetch(`${at}/sandboxes/${one.sandboxId}`, { headers });
  const withKey = await info({ 'x-api-key': apiKey });
  await withKey.arrayBuffer();
  const withoutKey = await info({});
  await withoutKey.arrayBuffer();
  if (withKey.status !== 200) throw new Error(`${withKey.status} with the key`);
  if (withoutKey.status !== 401) return { ok: false, text: `${withoutKey.status} without the key` };
  for (const path of ['ping', 'name']) {
    const answers = [];
    for (const session of [one, two]) {
      const response = await fetch(`${at}/${path}`, { headers: naming(session) });
      const body = await response.text();
      answers.push(path === 'name' ? body : response.headers.get('x-runtime-instance'));
    }
    if (answers[0] === answers[1]) return { ok: false, text: `/${path} of another sandbox` };
  }
  const counts = [];
  for (let i = 0; i < 2; i += 1) {
    counts.push(await (await fetch(`${at}/count`, { headers: naming(one) })).text());
  }
  if (counts[0] === counts[1]) return { ok: false, text: 'a GET is answered from the cache' };
  return { ok: true, text: 'yes' };
}

async function head({ at }, [session]) {
  const response = await fetch(`${at}/large-head`, { headers: naming(session) });
  await response.arrayBuffer();
  return { ok: response.status === 200, text: response.status === 200 ? 'yes' : String(response.status) };
}

async function path(trial, [session]) {
  const { path } = await raw(trial, session, 'a%2Fb');
  return { ok: path === '/raw/a%2Fb', text: path === '/raw/a%2Fb' ? 'yes' : path };
}

async function authorization(trial, [session]) {
  const { authorization } = await raw(trial, session, 'ab');
  const ok = authorization === 'Bearer mine';
  return { ok, text: ok ? 'yes' : `becomes ${authorization}` };
}

async function raw({ at }, session, name) {
  const headers = { ...naming(session), authorization: 'Bearer mine' };
  const response = await fetch(`${at}/raw/${name}`, { headers });
  if (response.status !== 200) throw new Error(`${response.status} instead of 200`);
  return response.json();
}

/** From another address than 127.0.0.1, and so as from anywhere. */
async function remove({ at, apiKey }) {
  const [response] = await once(
    request(`${at}/sandboxes/none`, {
      method: 'DELETE',
      headers: { 'x-api-key': apiKey },
      localAddress: '127.0.0.2',
    }).end(),
    'response',
  );
  response.resume();
  // What the host says of a sandbox that is not there.
  return {
    ok: response.statusCode === 404,
    text: response.statusCode === 404 ? 'yes' : `${response.statusCode}`,
  };
}

const naming = ({ sandboxId }) => ({ 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '8080' });

function call(origin, session, payload, { headers = {}, signal = null } = {}) {
  return fetch(`${origin}/invocations`, {
    method: 'POST',
    headers: { ...naming(session), 'content-type': 'application/json', ...headers },
    body: JSON.stringify(payload),
    signal,
  });
}

/** What the agent itself saw of an invocation. */
async function seen({ direct }, session, id) {
  return (await fetch(`${direct}/seen/${id}`, { headers: naming(session) })).json();
}

/** The values of a stream, and when each arrived, in ms since 1970. */
async function* events(response) {
  if (response.status !== 200) throw new Error(`${response.status} instead of a stream`);
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const at = performance.timeOrigin + performance.now();
    const frames = (text + chunk).split('\n\n');
    text = frames.pop();
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (data) yield { value: JSON.parse(data), at };
    }
  }
}

/** @template T @param {number} limit @param {Promise<T>} promise @returns {Promise<T>} */
async function within(limit, promise) {
  const controller = new AbortController();
  const over = setTimeout(limit * 1000, undefined, { signal: controller.signal });
  try {
    return await Promise.race([
      promise,
      over.then(() => {
        throw new Error(`not done in ${limit} s`);
      }),
    ]);
  } finally {
    controller.abort();
    over.catch(() => {});
  }
}

const seconds = (ms) => `${Math.round(ms / 1000)} s`;
const times = (n) => (n === 1 ? 'once' : `${n} times`);
