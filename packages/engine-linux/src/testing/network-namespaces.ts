import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

/** Answers a JSON command a line: connects, listens, asks over HTTP, sends datagrams. */
const program = `
const net = require('node:net'), http = require('node:http'), dgram = require('node:dgram');
const commands = {
  connect: ({ host, port, from }) => new Promise((resolve) => {
    const socket = net.connect({ host, port, localAddress: from, timeout: from ? 1000 : 20000 });
    let text = '';
    socket.on('data', (data) => { text += data; socket.destroy(); resolve(text); });
    socket.on('timeout', () => { socket.destroy(); resolve('timeout'); });
    socket.on('error', (error) => resolve(error.code));
  }),
  listen: ({ host, port, says }) => new Promise((resolve) => {
    const server = net.createServer((socket) => { socket.on('error', () => {}); socket.write(says); });
    server.on('error', (error) => resolve(error.code));
    server.listen(port, host, () => resolve(String(server.address().port)));
  }),
  http: ({ host, port, says }) => new Promise((resolve) => {
    const server = http.createServer((request, response) => response.end(says + ' ' + request.headers.host + ' ' + request.url));
    server.listen(port, host, () => resolve('listening'));
  }),
  count: ({ host, port }) => new Promise((resolve) => {
    const seen = [];
    const server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => { body += piece; }).on('end', () => {
        if (request.url !== '/seen') seen.push({ method: request.method, url: request.url, headers: request.headers, body });
        response.writeProcessing();
        response.end(JSON.stringify(seen));
      });
    });
    server.listen(port, host, () => resolve('listening'));
  }),
  dns: ({ host, names }) => new Promise((resolve) => {
    const server = dgram.createSocket('udp4');
    server.on('message', (query, from) => {
      let at = 12; const labels = [];
      while (query[at]) { labels.push(query.toString('latin1', at + 1, at + 1 + query[at])); at += query[at] + 1; }
      const address = names[labels.join('.')];
      const answer = Buffer.concat([query.subarray(0, 12), query.subarray(12, at + 5),
        address ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]) : Buffer.alloc(0)]);
      answer.writeUInt16BE(address ? 0x8180 : 0x8183, 2);
      answer.writeUInt16BE(address ? 1 : 0, 6); answer.writeUInt16BE(0, 8); answer.writeUInt16BE(0, 10);
      server.send(answer, from.port, from.address);
    });
    server.bind(53, host, () => resolve('listening'));
  }),
  get: ({ url, proxy }) => new Promise((resolve) => {
    const { hostname, port } = new URL(proxy);
    const request = http.request({ host: hostname, port, path: url, headers: { host: 'other.test' }, agent: false });
    request.on('response', (response) => {
      let text = '';
      response.on('data', (data) => (text += data)).on('end', () => resolve(response.statusCode + ' ' + text.trim()));
    });
    request.on('error', (error) => resolve(error.code));
    request.end();
  }),
  tunnel: ({ to, proxy }) => new Promise((resolve) => {
    const { hostname, port } = new URL(proxy);
    const request = http.request({ host: hostname, port, method: 'CONNECT', path: to, agent: false });
    request.on('connect', (response, socket, head) => {
      if (response.statusCode !== 200) { const said = (data) => { socket.destroy(); resolve(response.statusCode + ' ' + String(data).trim()); }; if (head.length) said(head); else socket.once('data', said); return; }
      const done = (data) => { commands.open = socket; resolve('200 ' + data); };
      if (head.length) done(head); else socket.once('data', done);
      socket.on('error', () => {});
    });
    request.on('error', (error) => resolve(error.code));
    request.end();
  }),
  hoard: async ({ host, port, count }) => {
    commands.hoarded = Array.from({ length: count }, () => net.connect({ host, port }));
    const closed = commands.hoarded.map((socket) => new Promise((resolve) => {
      socket.on('error', () => {}).on('close', resolve);
    }));
    // Those beyond the limit are closed; as many as are to be must be.
    let gone = 0;
    await new Promise((resolve) => closed.forEach((one) => one.then(() => { if (++gone === count - 128) setTimeout(resolve, 200); })));
    return String(count - gone);
  },
  release: async () => { commands.hoarded.forEach((socket) => socket.destroy()); return 'released'; },
  ended: () => new Promise((resolve) => commands.open.destroyed ? resolve('ended') : commands.open.once('close', () => resolve('ended'))),
  resolve: ({ name, server }) => {
    const resolver = new (require('node:dns').promises.Resolver)({ timeout: 10000, tries: 1 });
    resolver.setServers([server]);
    return resolver.resolve4(name).then((found) => found.join(), (error) => error.code);
  },
};
require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const { n, command, ...rest } = JSON.parse(line);
  console.log(JSON.stringify({ n, said: await commands[command](rest) }));
});
`;

/** A program in a network namespace that does as it is told. */
export class Resident {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  #count = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (!child.stdout) throw new Error('The program has no output.');
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.setMaxListeners(100);
  }

  static in(netns: string): Resident {
    return new Resident(
      spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', program], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What came of a command: what was received, or the code of an error. */
  tell(command: string, options: object = {}): Promise<string> {
    const n = ++this.#count;
    this.#child.stdin?.write(`${JSON.stringify({ n, command, ...options })}\n`);
    return new Promise((resolve) => {
      const onLine = (line: string): void => {
        const answer = JSON.parse(line) as { n: number; said: string };
        if (answer.n !== n) return;
        this.#lines.off('line', onLine);
        resolve(answer.said);
      };
      this.#lines.on('line', onLine);
    });
  }

  async end(): Promise<void> {
    if (this.#child.signalCode) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

interface Addresses {
  open: string;
  other: string;
  names: string;
  private: string;
  linkLocal: string;
}

/** A network namespace that stands for the internet, with public and private addresses. */
export class Internet {
  readonly addresses: Addresses;
  readonly resident: Resident;
  readonly #name: string;

  constructor() {
    for (let attempt = 1; ; attempt++) {
      const { index, base } = freeNet();
      this.#name = `internet-${process.pid}-${index}`;
      try {
        this.addresses = makeInternet(this.#name, index, base);
        break;
      } catch (error) {
        // Somebody else took the same ones.
        run('ip', '', 'netns', 'delete', this.#name);
        if (attempt === 10) throw error;
      }
    }
    this.resident = Resident.in(`/run/netns/${this.#name}`);
  }

  async end(): Promise<void> {
    await this.resident.end();
    run('ip', '', 'netns', 'delete', this.#name);
  }
}

function makeInternet(name: string, index: number, base: string): Addresses {
  const link = `inet${index}`;
  const of = (host: number): string => `${base}.${(index % 32) * 8 + host}`;
  const open = of(2);
  const more = {
    other: of(3),
    names: of(4),
    private: `10.213.${index}.2`,
    linkLocal: `169.254.${index + 1}.2`,
  };
  run(
    'ip',
    `netns add ${name}
     link add ${link} type veth peer name eth0 netns ${name}
     address add ${of(1)}/29 dev ${link}
     link set ${link} up
     route add ${more.private}/32 dev ${link}
     route add ${more.linkLocal}/32 dev ${link}`,
    '-batch',
    '-',
  );
  const inside = [`address add ${open}/29 dev eth0`];
  for (const address of Object.values(more)) inside.push(`address add ${address}/32 dev eth0`);
  run('ip', [...inside, 'link set eth0 up', 'link set lo up'].join('\n'), '-n', name, '-batch', '-');
  return { open, ...more };
}

/** Eight addresses that nobody here uses, of those set aside for documents (RFC 5737). */
function freeNet(): { index: number; base: string } {
  const routes = run('ip', '', '-4', 'route');
  const first = randomInt(64);
  for (let i = 0; i < 64; i++) {
    const index = (first + i) % 64;
    const base = index < 32 ? '203.0.113' : '198.51.100';
    if (!routes.includes(`${base}.${(index % 32) * 8}/29`)) return { index, base };
  }
  throw new Error('No addresses are left for a test network.');
}

/** Runs a tool on a text. */
export function run(tool: string, input: string, ...args: string[]): string {
  return execFileSync(tool, args, { input, encoding: 'utf8' });
}
