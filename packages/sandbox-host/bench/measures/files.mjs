import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantile, round } from '../statistics.mjs';

const megabytes = 100;
const chunk = Buffer.alloc(64 * 1024, 'sandpiper');

/** A file of 100 MB into a sandbox and out of it, beside a server that does nothing but write and read it. */
export async function measureFiles({ direct, gateway, sandbox, usage, directUsage, rounds }) {
  const path = join(tmpdir(), `sandpiper-bench-${process.pid}`);
  const envd = { ...gateway.headers, 'e2b-sandbox-port': '49983', 'x-access-token': sandbox.envdAccessToken };
  const ways = [
    { name: 'node:http copy', url: `${direct.origin}/file?path=${path}`, headers: {}, usage: directUsage },
    { name: '/files of a sandbox', url: `${gateway.origin}/files?path=/home/user/big`, headers: envd, usage },
  ].map((way) => ({ ...way, up: [], down: [], grownBytes: 0 }));
  for (let turn = 0; turn < Math.ceil(rounds / 2); turn++) {
    for (const way of ways) {
      await way.usage();
      const before = (await way.usage()).peakBytes;
      way.up.push(await timed(() => upload(way)));
      way.down.push(await timed(() => download(way)));
      way.grownBytes = Math.max(way.grownBytes, (await way.usage()).peakBytes - before);
    }
  }
  await rm(path, { force: true });
  return ['up', 'down'].map((direction) => {
    const rows = ways.map((way) => ({
      name: way.name,
      value: Math.round(megabytes / quantile(way[direction], 0.25)),
      memoryMB: Math.round(way.grownBytes / 2 ** 20),
    }));
    return {
      name: `A file of ${megabytes} MB, ${direction}`,
      unit: 'MB/s',
      better: 'higher',
      target: '≥ 0.5 × a bare copy, memory flat',
      rows,
      note: `${round(rows[1].value / rows[0].value)} ×; the host's memory grew by ${rows[1].memoryMB} MB at most`,
    };
  });
}

async function timed(run) {
  const startedAt = performance.now();
  await run();
  return (performance.now() - startedAt) / 1000;
}

function upload({ url, headers }) {
  return new Promise((resolve, reject) => {
    const length = (megabytes * 1e6).toFixed(0);
    const sent = request(
      url,
      {
        method: 'POST',
        agent: false,
        headers: { ...headers, 'content-type': 'application/octet-stream', 'content-length': length },
      },
      (response) => {
        response.resume();
        response.once('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`upload: ${response.statusCode}`)),
        );
      },
    );
    sent.once('error', reject);
    let left = Number(length);
    const write = () => {
      while (left > 0) {
        const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
        left -= part.length;
        if (!sent.write(part)) return sent.once('drain', write);
      }
      sent.end();
    };
    write();
  });
}

function download({ url, headers }) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, agent: false }, (response) => {
      let received = 0;
      response.on('data', (part) => {
        received += part.length;
      });
      response.once('end', () =>
        received === megabytes * 1e6 ? resolve() : reject(new Error(`download: ${received} bytes`)),
      );
    });
    sent.once('error', reject);
    sent.end();
  });
}
