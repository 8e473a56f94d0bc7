// A host in a process that a test has on a machine of its own: takes an order a line, answers each with a line.
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Sandbox } from 'e2b';
import { createSandboxHost } from '../../src/index.js';

const host = await createSandboxHost({ dataDir: process.argv[2] ?? '' });
const { apiUrl, sandboxUrl, apiKey } = host;
const connection = { apiUrl, sandboxUrl, apiKey };

/** Counts who reaches a service of the machine. */
let reached = 0;
const service = createServer((socket) => {
  reached += 1;
  socket.on('error', () => {}).destroy();
});
await new Promise<void>((resolve) => service.listen(0, '0.0.0.0', resolve));
const address = service.address();
const port = typeof address === 'object' ? address?.port : 0;

type Order = Record<string, never> & {
  n: number;
  do: 'create' | 'exec' | 'besiege' | 'call' | 'run' | 'reached' | 'links' | 'capabilities' | 'close';
  id: string;
  script: string;
  method: string;
  path: string;
  args: string[];
};

const orders: Record<Order['do'], (order: Order) => unknown> = {
  create: async () => (await Sandbox.create('base', { ...connection, allowInternetAccess: false })).sandboxId,
  async exec({ id, script }) {
    const sandbox = await Sandbox.connect(id, connection);
    return (await sandbox.commands.run(script)).stdout;
  },
  /** Has a program in a sandbox try to reach the service, again and again. */
  async besiege({ id }) {
    const own = Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
      name.startsWith('sand') ? all.map((one) => one.address) : [],
    );
    const sandbox = await Sandbox.connect(id, connection);
    const script = `while :; do for host in ${own.join(' ')}; do (exec 3<>/dev/tcp/$host/${port}) 2>/dev/null && echo >> /tmp/reached; done; done`;
    await sandbox.commands.run('echo > /tmp/reached');
    await sandbox.commands.run(script, { background: true, timeoutMs: 0 });
  },
  async call({ method, path }) {
    const response = await fetch(`${apiUrl}${path}`, { method, headers: { 'x-api-key': apiKey } });
    return { status: response.status, body: await response.text() };
  },
  run: async ({ args: [file = '', ...args] }) => (await promisify(execFile)(file, args)).stdout,
  reached: () => reached,
  links: () => Object.keys(networkInterfaces()).filter((name) => name.startsWith('sand')),
  capabilities: () => ({ ...host.capabilities }),
  close: () => host.close(),
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const order = JSON.parse(line) as Order;
  const answer = await Promise.resolve(order)
    .then(orders[order.do])
    .then(
      (result) => ({ result }),
      (error: unknown) => ({ error: String(error) }),
    );
  console.log(JSON.stringify({ n: order.n, ...answer }));
});
console.log(JSON.stringify({ n: 0, result: 'ready' }));
