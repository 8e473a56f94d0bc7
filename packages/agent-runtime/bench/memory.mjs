import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { load } from './load.mjs';

/** 64 connections: short requests, plain streams, keyed resumable streams, and longer texts. */
const mixed = [
  { share: 32, body: JSON.stringify({ prompt: 'What is the weather in Oslo?', data: { days: 3 } }) },
  { share: 16, body: JSON.stringify({ values: 200 }) },
  {
    share: 8,
    body: JSON.stringify({ values: 200 }),
    headers: () => ({ 'x-stream-protocol': 'resumable-1', 'idempotency-key': crypto.randomUUID() }),
  },
  { share: 8, body: JSON.stringify({ prompt: 'x'.repeat(20_000) }) },
];

/** The resident size, each second, under mixed load on 64 connections. A tenth of the time is for warming up. */
export async function soak({ port, usage }, seconds) {
  const until = Date.now() + seconds * 1000;
  const loads = mixed.map(({ share, ...sent }) =>
    load({ port, ...sent, connections: share, ms: seconds * 1000 }),
  );
  const sizes = [];
  while (Date.now() < until) {
    await sleep(1000);
    sizes.push((await usage()).rssBytes);
  }
  const answered = await Promise.all(loads);
  const warm = sizes.slice(Math.ceil(sizes.length / 10));
  const median = warm.toSorted((a, b) => a - b)[Math.floor(warm.length / 2)];
  return {
    seconds,
    requests: answered.reduce((sum, count) => sum + count, 0),
    medianMiB: mib(median),
    lowestPercent: percent(Math.min(...warm), median),
    highestPercent: percent(Math.max(...warm), median),
    // The means of ten equal parts, which show a trend where there is one.
    partsMiB: Array.from({ length: 10 }, (_, part) => mib(mean(slice(warm, part)))),
  };
}

/** The resident size before, under and after readers that ask for an endless stream and read none of it. */
export async function slowReaders({ port, usage }, count, seconds) {
  const body = JSON.stringify({ values: 1e9 });
  const request = `POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const { rssBytes: before } = await usage();
  const sockets = [];
  for (let index = 0; index < count; index++) {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    socket.pause();
    socket.write(request);
  }
  const sizes = [];
  for (let second = 0; second < seconds; second++) {
    await sleep(1000);
    sizes.push((await usage()).rssBytes);
  }
  for (const socket of sockets) socket.destroy();
  await sleep(2000);
  const { rssBytes: after } = await usage();
  return {
    readers: count,
    seconds,
    beforeMiB: mib(before),
    perReaderKiB: Math.round((sizes.at(-1) - before) / count / 1024),
    partsMiB: Array.from({ length: 10 }, (_, part) => mib(mean(slice(sizes, part)))),
    afterMiB: mib(after),
  };
}

function slice(sizes, part) {
  const at = (index) => Math.floor((sizes.length * index) / 10);
  return sizes.slice(at(part), Math.max(at(part) + 1, at(part + 1)));
}

function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function mib(bytes) {
  return Math.round((bytes / 1024 / 1024) * 10) / 10;
}

function percent(size, median) {
  return Math.round((size / median - 1) * 1000) / 10;
}
