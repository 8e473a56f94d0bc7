import type { ChildProcessByStdio } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { HostError } from '../../host-error.js';
import { startChild } from '../start-child.js';
import { toolEnvironment } from '../tool-environment.js';
import script from './file-attributes.pl';

type Helper = ChildProcessByStdio<Writable, Readable, null>;

/** A request that the helper has not responded to. */
interface Pending {
  resolve: (line: string) => void;
  reject: (error: Error) => void;
}

/** Of a file's extended attributes, those that E2B's platform shows as its metadata. */
const namespace = 'user.e2b.';

/**
 * Metadata of files, as extended attributes in E2B's namespace: so it moves with the file, is copied into snapshots,
 * outlives the host, and programs in the sandbox read and write it too (xattr(7)).
 *
 * Node.js has no call for attributes, and a native module would have to be built at install: one Perl process a host
 * makes the system calls, from the first use on.
 */
export class FileAttributes {
  #helper: Promise<Helper> | undefined;
  #closed = false;
  readonly #pending: Pending[] = [];

  /** The metadata of what is at a path of the host's, which is not followed if it is a link; undefined when it has none. */
  async read(at: string | Buffer): Promise<Record<string, string> | undefined> {
    const line = await this.#ask('read', at).catch(() => '');
    const entries = line.split(' ').flatMap((pair) => {
      const [name, value] = pair.split('=').map((hex) => textOf(hex));
      return name && value !== undefined ? [[name, value] as const] : [];
    });
    return entries.length > 0 ? Object.fromEntries(entries) : undefined;
  }

  /**
   * Gives metadata to a file that has none.
   *
   * @throws HostError 501 where the machine or the file system has no such attributes, 507 where there is no room.
   */
  async write(at: string, metadata: Record<string, string>): Promise<void> {
    const pairs = Object.entries(metadata).map(([name, value]) => `${hexOf(name)}=${hexOf(value)}`);
    await this.#ask('write', at, ...pairs).catch((error: Error) => {
      throw failureOf(error.message);
    });
  }

  /** Ends the helper. */
  async close(): Promise<void> {
    this.#closed = true;
    const helper = await this.#helper?.catch(() => undefined);
    helper?.kill('SIGKILL');
  }

  async #ask(action: 'read' | 'write', at: string | Buffer, ...pairs: string[]): Promise<string> {
    if (this.#closed) throw new Error('the host is closed');
    this.#helper ??= this.#start();
    const helper = await this.#helper;
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      helper.stdin.write(`${[action, hexOf(asSeenByHelper(at)), ...pairs].join(' ')}\n`);
    });
  }

  async #start(): Promise<Helper> {
    const numbers = callNumbers[process.arch];
    if (process.platform !== 'linux' || !numbers) throw new Error('the machine is of a kind not known here');
    const helper = await startChild<Helper>('perl', ['-e', script, namespace, ...numbers.map(String)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: toolEnvironment(),
    });
    // It ends with its host, and does not keep it alive.
    helper.unref();
    (helper.stdin as Socket).unref();
    (helper.stdout as Socket).unref();
    createInterface({ input: helper.stdout }).on('line', (line) => {
      const request = this.#pending.shift();
      if (line.startsWith('ok ')) request?.resolve(line.slice(3));
      else request?.reject(new Error(line));
    });
    helper.once('close', () => {
      // The next request starts another.
      this.#helper = undefined;
      for (const request of this.#pending.splice(0)) request.reject(new Error('its helper has ended'));
    });
    return helper;
  }
}

/** Of a thread's own files nobody else knows by `self`. */
function asSeenByHelper(at: string | Buffer): Buffer {
  const path = Buffer.from(at);
  const self = '/proc/self/';
  if (!path.subarray(0, self.length).equals(Buffer.from(self))) return path;
  return Buffer.concat([Buffer.from(`/proc/${process.pid}/`), path.subarray(self.length)]);
}

function hexOf(value: string | Buffer): string {
  return Buffer.from(value).toString('hex');
}

/** Undefined for what is not text: others may give attributes of any bytes. */
function textOf(hex: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(hex, 'hex'));
  } catch {
    return undefined;
  }
}

function failureOf(reason: string): HostError {
  if (/ENOSPC|EDQUOT|E2BIG|ERANGE/.test(reason)) {
    return new HostError(
      507,
      'There is no space left for the metadata of the file: its disk is full, or its file system holds less for each file.',
    );
  }
  return new HostError(
    501,
    `This host cannot keep metadata of files: it needs Linux, Perl and a file system with extended attributes (${reason}).`,
  );
}

/** Of `lsetxattr`, `lgetxattr` and `llistxattr`, which follow no link. */
const callNumbers: Partial<Record<NodeJS.Architecture, [number, number, number]>> = {
  x64: [189, 192, 195],
  arm64: [6, 9, 12],
};
