import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { checkCommand } from '@sandpiper/sandbox-engine/check-command';
import type {
  AdoptedProcess,
  Command,
  EngineProcess,
  ExitStatus,
  LocalServer,
} from '@sandpiper/sandbox-engine/engine';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { trySignal } from '@sandpiper/sandbox-engine/local/tagged-processes';
import type { VolumeMount } from '@sandpiper/sandbox-engine/local/volumes/volume-directories';
import { startTimeOf } from '@sandpiper/sandbox-engine/owner';
import { shortageOf } from '@sandpiper/sandbox-engine/shortage';
import * as z from 'zod';
import { encodeFrame, frameReader } from './frames.js';
import type { FirstProcess } from './init-processes.js';
import { seccompFilters } from './seccomp-filter.js';
import { type Description, exitStatus, type Request, superviseProcess } from './supervised-process.js';

/** One mount(2), its target as the host sees it. */
export interface Mount {
  source: string;
  target: string;
  type: string;
  flags: number;
  data: string;
}

/** What a supervisor is started with. */
export interface SupervisorOptions {
  /** The sandbox's id, which is its host name, too. */
  id: string;
  /** A directory on the host for the socket, which no other user can enter. */
  directory: string;
  /** What becomes the root, once everything is mounted. */
  root: string;
  mounts: Mount[];
  volumes: VolumeMount[];
  /** The control groups it is to be in, told by their directories. */
  groups: readonly { directory: string; version: 1 | 2 }[];
  /** The file of a network namespace to be in. Default: the host's. */
  networkNamespace: string | undefined;
  /** What programs reach on the loopback interface; it needs a network namespace. Default: nothing. */
  localServer: LocalServer | undefined;
  /** Whether the kernel is to end the sandbox when the host ends, however that comes. */
  endWithHost: boolean;
  /** Has its way before anything else can run in the sandbox. */
  beforeCommands: (identity: SupervisorIdentity) => Promise<void>;
}

/** Which process a supervisor is, told apart from one that gets the same number later. */
export interface SupervisorIdentity {
  pid: number;
  /** In clock ticks since the machine started. */
  startTime: string;
}

/** An identity that was written to a file. */
export const supervisorIdentitySchema: z.ZodType<SupervisorIdentity> = z.object({
  pid: z.int().positive(),
  startTime: z.string(),
});

interface Exit {
  told: Promise<ExitStatus>;
  tell: (status: ExitStatus) => void;
}

/** The first process of a sandbox, as its host talks to it. */
export class Supervisor {
  readonly lost: Promise<void>;
  /** The programs it had when this host came; settles when it first answers, which a frozen one does not. */
  readonly found: Promise<AdoptedProcess[]>;
  readonly #socket: Socket;
  readonly #descriptors: number;
  readonly #answers = new Map<string, (fields: string[]) => void>();
  readonly #exits = new Map<string, Exit>();
  #requests = 0;

  constructor(
    readonly identity: SupervisorIdentity,
    socket: Socket,
    private readonly localServer: LocalServer | undefined,
  ) {
    this.#socket = socket;
    socket.on('error', () => {});
    // Held open, so that they stay this process's whichever takes its number later.
    this.#descriptors = openSync(`/proc/${identity.pid}/fd`, 'r');
    this.lost = new Promise<void>((resolve) => socket.once('close', () => resolve())).then(() => this.#end());
    const found: AdoptedProcess[] = [];
    this.found = new Promise((resolve) => {
      const receive = ([what = '', ...fields]: string[]): void => {
        const [first = '', ...rest] = fields;
        if (what === 'process') {
          const process = this.#open(fields);
          if (process) found.push(process);
        } else if (what === 'hello') resolve(found);
        else if (what === 'answer') this.#answers.get(first)?.(rest);
        else if (what === 'end') this.#exit(first).tell(exitStatus(Number(rest[0])));
        else if (what === 'call') this.#respond(first, rest[0] ?? '');
      };
      socket.on('data', frameReader(receive));
      const end = (): void => resolve(found);
      this.lost.then(end, end);
    });
  }

  /**
   * Starts a program; settles when it runs.
   *
   * @param uid - Its user's number inside.
   * @throws HostError 400 when the working directory is not there.
   */
  async start(command: Command, uid: number): Promise<EngineProcess> {
    const { cmd, args, cwd, terminal, label = '' } = command;
    const environment = Object.entries(command.env).flat();
    checkCommand(command);
    const { cols, rows } = terminal ?? { cols: 0, rows: 0 };
    const fields = [uid, command.stdin || terminal ? 1 : '', cols, rows, label, cwd, args.length + 1, cmd];
    const description = await this.request('start', ...fields.map(String), ...args, ...environment).catch(
      (error: unknown) => {
        throw error instanceof Error && error.message === 'cwd'
          ? new HostError(400, `The working directory ${cwd} does not exist in the sandbox.`)
          : (shortageOf(error) ??
              new HostError(500, 'The sandbox did not start the command; it may be ending.', {
                cause: error,
              }));
      },
    );
    const started = this.#open(description);
    if (started) return started.process;
    if (this.isLost) throw new HostError(500, 'The sandbox ended while it started the command.');
    // Nobody would read what it writes.
    const [id = ''] = description;
    await this.request('kill', id, '9').catch(() => {});
    await this.request('release', id).catch(() => {});
    throw new HostError(503, 'The host could not open what the command writes to; try again later.');
  }

  get isLost(): boolean {
    return this.#socket.destroyed;
  }

  /** Signals every process but the supervisor. */
  async signalAll(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    await this.request('kill_all', signal.replace('SIG', ''));
  }

  readonly request: Request = (what, ...fields) =>
    new Promise((resolve, reject) => {
      const tag = String(++this.#requests);
      this.#answers.set(tag, ([error, ...results]) => {
        this.#answers.delete(tag);
        if (error) reject(new Error(error));
        else resolve(results);
      });
      if (this.#socket.destroyed) this.#answers.get(tag)?.(['The sandbox has ended.']);
      else this.#socket.write(encodeFrame([what, tag, ...fields]));
    });

  /** Answers a program of the sandbox; without a response its connection is closed. */
  #respond(call: string, head: string): void {
    const responding = this.localServer?.respond(head) ?? Promise.resolve('');
    responding
      .catch(() => '')
      .then((response) => this.request('respond', call, response))
      // A sandbox that ends meanwhile has nobody left to hear it.
      .catch(() => {});
  }

  #open(fields: string[]): AdoptedProcess | undefined {
    const [id = '', pid, label = '', terminal, stdin = '', stdout = '', stderr = '', status = ''] = fields;
    const description: Description = {
      id,
      pid: Number(pid),
      label,
      isTerminal: terminal === '1',
      stdin,
      stdout,
      stderr,
    };
    const exit = this.#exit(id);
    if (status) exit.tell(exitStatus(Number(status)));
    const exited = exit.told.finally(() => this.#exits.delete(id));
    try {
      const descriptors = `/proc/self/fd/${this.#descriptors}`;
      return { label, process: superviseProcess(description, descriptors, this.request, exited) };
    } catch {
      // The supervisor has ended, and its descriptors with it, or the host has none left.
      return undefined;
    }
  }

  /** The end of a program, which may be told before its start has been looked at. */
  #exit(id: string): Exit {
    const known = this.#exits.get(id);
    if (known) return known;
    let tell: Exit['tell'] = () => {};
    const told = new Promise<ExitStatus>((resolve) => {
      tell = resolve;
    });
    const exit = { told, tell };
    this.#exits.set(id, exit);
    return exit;
  }

  #end(): void {
    closeSync(this.#descriptors);
    for (const answer of [...this.#answers.values()]) answer(['The sandbox has ended.']);
    // The kernel kills what is left when the first process has ended.
    for (const exit of this.#exits.values()) exit.tell({ code: undefined, signal: 'SIGKILL' });
  }
}

/** Volumes are mounted where callers say, so what is wrong with that is theirs to know. */
function setupError(said: string): Error {
  const [, trouble] = /^volume (.*)/.exec(said) ?? [];
  return trouble === undefined
    ? new Error(`A sandbox could not be set up: ${said || 'no reason given'}`)
    : new HostError(400, `A volume cannot be mounted: ${trouble}.`);
}

/**
 * Has a waiting process become the first of a sandbox; settles when it takes commands.
 *
 * @throws Error with the step that failed, HostError 400 when that was the mounting of a volume.
 */
export async function startSupervisor(child: FirstProcess, options: SupervisorOptions): Promise<Supervisor> {
  const {
    id,
    directory,
    root,
    mounts,
    volumes,
    groups,
    networkNamespace = '',
    localServer,
    endWithHost,
    beforeCommands,
  } = options;
  const filters = seccompFilters();
  if (!filters) throw new Error(`System calls of ${process.arch} are not known.`);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-2_000);
  });
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(setupError(errors.trim())));
  });
  // Also when it fails after everything else has been awaited.
  failed.catch(() => {});
  // It may end before it has read what it is to do; why is told then.
  child.stdin.on('error', () => {});
  child.stdin.write(
    encodeFrame([
      ...[
        id,
        endWithHost ? '1' : '',
        networkNamespace,
        networkNamespace ? String(localServer?.port ?? '') : '',
      ],
      ...[directory, root],
      ...[filters.supervisor, filters.program],
      ...counted(groups.flatMap(({ directory, version }) => [directory, String(version)])),
      ...counted(volumes.flatMap(({ source, path }) => [source, path])),
      ...mounts.flatMap(({ source, target, type, flags, data }) => [
        source,
        target,
        type,
        String(flags),
        data,
      ]),
    ]),
  );
  const pid = await Promise.race([
    new Promise<number>((resolve) => {
      child.stdout.on(
        'data',
        frameReader(([pid]) => resolve(Number(pid))),
      );
    }),
    failed,
  ]);
  const identity = { pid, startTime: startTimeOf(pid) ?? '' };
  // One that does not listen has failed, and says why.
  const connected = connectSupervisor(identity, directory, localServer).catch((error: unknown) => {
    const shortage = shortageOf(error);
    if (!shortage) return failed;
    if (isRunning(identity)) trySignal(pid, 'SIGKILL');
    throw shortage;
  });
  const [supervisor] = await Promise.race([
    Promise.all([
      connected,
      beforeCommands(identity).then(
        () => child.stdin.write(encodeFrame([])),
        (error: unknown) => {
          // What waits for its orders ends when none can come any more.
          child.stdin.destroy();
          throw error;
        },
      ),
      connected.then(async (one) => {
        await one.found;
        // It took the connection before its root was made, and failed at that.
        if (one.isLost) await failed;
      }),
    ]),
    failed,
  ]);
  return supervisor;
}

function counted(fields: string[]): string[] {
  return [String(fields.length), ...fields];
}

/** Connects to a supervisor that a host before this one started; undefined when it is there no more. */
export async function findSupervisor(
  identity: SupervisorIdentity,
  directory: string,
  localServer: LocalServer | undefined,
): Promise<Supervisor | undefined> {
  if (!isRunning(identity)) return undefined;
  return connectSupervisor(identity, directory, localServer).catch(() => undefined);
}

/** Whether it is still that process, and not one that has ended and is only to be seen off. */
export function isRunning({ pid, startTime }: SupervisorIdentity): boolean {
  return startTimeOf(pid) === startTime;
}

async function connectSupervisor(
  identity: SupervisorIdentity,
  directory: string,
  localServer: LocalServer | undefined,
): Promise<Supervisor> {
  // A socket's path may have some 100 bytes, and the directory's may be longer.
  const handle = openSync(directory, 'r');
  try {
    const socket = connect(`/proc/self/fd/${handle}/control`);
    await once(socket, 'connect');
    try {
      return new Supervisor(identity, socket, localServer);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  } finally {
    closeSync(handle);
  }
}
