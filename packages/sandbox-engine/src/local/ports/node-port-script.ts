import type * as Fs from 'node:fs';
import type * as Net from 'node:net';

/**
 * Runs at the start of every Node.js process of a sandbox that shares the host's network. A server that asks for
 * port 8080 gets a free port of the loopback interface instead, and that port is announced in a file named
 * `8080`, so two sandboxes can both listen on it. Connections to announced ports go where they lead.
 *
 * This function is shipped as text: it may use nothing but its arguments.
 */
function remapPorts(net: typeof Net, fs: typeof Fs, process: NodeJS.Process): void {
  const directory = process.env.SANDPIPER_PORTS;
  if (!directory) return;
  const loopback = new Set(['', 'localhost', '127.0.0.1', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1']);
  const read = (port: number): { real: number; pid: number } | undefined => {
    try {
      const [real, pid] = fs.readFileSync(`${directory}/${port}`, 'utf8').split(' ').map(Number);
      if (!real || !pid) return undefined;
      process.kill(pid, 0);
      return { real, pid };
    } catch {
      return undefined;
    }
  };
  const virtual = new WeakMap<Net.Server, number>();

  type AnyFunction = (...args: unknown[]) => unknown;
  const serverPrototype = net.Server.prototype as unknown as Record<'listen' | 'address', AnyFunction>;
  const { listen, address } = serverPrototype;
  serverPrototype.listen = function (this: Net.Server, ...args: unknown[]) {
    const first = args[0];
    const fromOptions = typeof first === 'object' && first !== null && 'port' in first;
    const asked = fromOptions ? first.port : first;
    const isPort = typeof asked === 'number' || (typeof asked === 'string' && /^\d+$/.test(asked));
    if (!isPort) return listen.apply(this, args);
    const port = Number(asked);
    if (port > 0 && read(port)) {
      const error = Object.assign(new Error(`listen EADDRINUSE: address already in use :::${port}`), {
        code: 'EADDRINUSE',
        errno: -98,
        syscall: 'listen',
        address: '::',
        port,
      });
      process.nextTick(() => this.emit('error', error));
      return this;
    }
    this.prependOnceListener('listening', () => {
      const bound = address.call(this);
      const real = typeof bound === 'object' && bound !== null && 'port' in bound ? Number(bound.port) : 0;
      const name = port || real;
      virtual.set(this, name);
      const file = `${directory}/${name}`;
      // Written beside and renamed: a reader never sees half of it.
      fs.writeFileSync(`${file}.${process.pid}`, `${real} ${process.pid}`);
      fs.renameSync(`${file}.${process.pid}`, file);
      const withdraw = (): void => {
        if (read(name)?.pid === process.pid) fs.rmSync(file, { force: true });
      };
      this.once('close', () => {
        process.off('exit', withdraw);
        withdraw();
      });
      process.once('exit', withdraw);
    });
    const options = fromOptions ? { ...first } : {};
    const rest = args.slice(1).filter((arg) => typeof arg === 'function');
    return listen.call(this, { ...options, port: 0, host: '127.0.0.1' }, ...rest);
  };
  serverPrototype.address = function (this: Net.Server) {
    const bound = address.call(this);
    const port = virtual.get(this);
    return port && typeof bound === 'object' && bound !== null ? { ...bound, port } : bound;
  };

  const socketPrototype = net.Socket.prototype as unknown as Record<'connect', AnyFunction>;
  const { connect } = socketPrototype;
  socketPrototype.connect = function (this: Net.Socket, ...args: unknown[]) {
    const first = args[0];
    // net.connect hands on its arguments as one array of options and callback.
    const options = Array.isArray(first) ? first[0] : first;
    if (typeof options === 'object' && options !== null && options.port && !options.path) {
      const target = loopback.has(options.host ?? '') ? read(Number(options.port)) : undefined;
      if (target) {
        const changed = { ...options, port: target.real, host: '127.0.0.1' };
        if (Array.isArray(first)) first[0] = changed;
        else args[0] = changed;
      }
    } else if (typeof options === 'number') {
      const host = typeof args[1] === 'string' ? args[1] : '';
      const target = loopback.has(host) ? read(options) : undefined;
      if (target) {
        args[0] = target.real;
        if (typeof args[1] === 'string') args[1] = '127.0.0.1';
      }
    }
    return connect.apply(this, args);
  };
}

/** The script for `node --require`. */
export const nodePortScript: string = `(${remapPorts})(require('node:net'), require('node:fs'), process);\n`;
