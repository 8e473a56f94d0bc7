import type { Readable, Writable } from 'node:stream';
import type { SandboxFiles } from './files.js';
import type { SandboxUser } from './user.js';
import type { EngineVolumes, MountedVolume } from './volumes.js';

/** Whether a promise about sandboxes is kept by the operating system, kept by convention only, or not made. */
export type Enforcement = 'enforced' | 'advisory' | 'absent';

/** One promise, and in words what stands behind it or what is missing. */
export interface Capability {
  level: Enforcement;
  reason: string;
}

/** What the machine took away from sandboxes while they lived. */
export interface MachineChange {
  /** Which promise it is about. */
  what: keyof Capabilities;
  /** Whether it is kept again, or no longer. */
  outcome: 'restored' | 'lost';
  /** In words. */
  reason: string;
  /** How many sandboxes it was about. */
  sandboxes: number;
  /** From when it was noticed, in milliseconds. */
  elapsedMs: number;
}

/** What an engine promises on this machine, proven by a probe when it starts. */
export interface Capabilities {
  /** Sandboxes cannot see the host's or each other's files and processes. */
  isolation: Capability;
  /** Processor, memory and process limits. */
  limits: Capability;
  /** A limit of what a sandbox keeps on the machine's disk. */
  disk: Capability;
  /** Rules about what a sandbox may connect to. */
  network: Capability;
  /** A paused sandbox uses no processor time. */
  freeze: Capability;
  /** A paused sandbox gives back its memory, too. */
  hibernate: Capability;
  /** A sandbox's files can be kept and started from again. */
  checkpoint: Capability;
}

/** A file system to start sandboxes from: layers, lowest first. What a layer's id means is the engine's own. */
export interface Image {
  layers: string[];
}

/** A program to run in a sandbox. */
export interface Command {
  cmd: string;
  args: string[];
  /** The whole environment of the program, besides what the engine itself must add. */
  env: Record<string, string>;
  /** An absolute path inside the sandbox. */
  cwd: string;
  user: SandboxUser;
  /** Whether there is a stdin to write to; otherwise it is empty. */
  stdin: boolean;
  /** Runs it in a pseudo-terminal of this size: then there is one output, `stdout`, and always a stdin. */
  terminal?: TerminalSize | undefined;
  /** Kept with the process as it is, for the host that adopts the sandbox. */
  label?: string | undefined;
}

/** Characters across and down. */
export interface TerminalSize {
  cols: number;
  rows: number;
}

/** How a process ended: by itself with a code, or by a signal. */
export interface ExitStatus {
  code: number | undefined;
  /** Its name, such as `SIGKILL`. */
  signal: string | undefined;
  /** Set when the signal made it leave a core dump, where that can be known. */
  coreDumped?: true;
  /** Set when it, or what it had started, was killed because the sandbox had no memory left. */
  outOfMemory?: boolean;
}

/** A process that runs in a sandbox. Its holder must read its output, or the process will wait. */
export interface EngineProcess {
  /** Its number as it is seen inside the sandbox. */
  pid: number;
  stdin: Writable | undefined;
  stdout: Readable;
  stderr: Readable;
  /** Settles when the process has ended and its output has been read to the end. Never rejects. */
  ended: Promise<ExitStatus>;
  /** Only in a pseudo-terminal. Settles when it has the size: what is typed from then on finds it. */
  resize?: (size: TerminalSize) => Promise<void>;
  /** Signals the process and what it has started in its group. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Where to connect to, from the host, for a port of a sandbox. */
export interface Endpoint {
  host: string;
  port: number;
}

/** What a sandbox uses at this moment. */
export interface EngineStats {
  /** Processor time used so far, in milliseconds. */
  cpuMs: number;
  /** Memory of its processes, without what is kept of files only to have them at hand. */
  memoryBytes: number;
  /** What is kept of files and given up when memory is needed. */
  cacheBytes: number;
  processes: number;
  /** Processes that were killed so far because the sandbox had no memory left for them. */
  oomKills: number;
  /** Of the disk on which its files are: its own, or the machine's where {@link Capabilities.disk} is absent. */
  diskUsedBytes: number;
  diskTotalBytes: number;
}

/** What a sandbox may use at most. */
export interface Limits {
  /** Processors; fractions are shares of one. */
  cpuCount: number;
  memoryMB: number;
  /** Processes and threads. Default: 1,024. */
  pids?: number;
  /** What it changes and adds to its files. Default: 10,240, and as many files as 10 GiB of 16 kB each. */
  diskMB?: number;
}

/** What a sandbox may connect to. */
export interface NetworkPolicy {
  /** Whether it reaches anything that no rule names. */
  internet: boolean;
  /** Addresses, CIDR ranges and host names (`*.` for all below) it reaches, whatever `denyOut` says. */
  allowOut: string[];
  /** Addresses and CIDR ranges it does not reach. */
  denyOut: string[];
}

/** An HTTP server of the host's that programs in a sandbox reach at a port of their loopback address. */
export interface LocalServer {
  port: number;
  /**
   * Answers a request that has no body.
   *
   * @param head - Its first line and its header lines.
   * @returns The whole response.
   */
  respond(head: string): Promise<string>;
}

/** How a sandbox is to be started. */
export interface StartOptions {
  limits: Limits;
  network: NetworkPolicy;
  /** Default: none. */
  volumes?: MountedVolume[] | undefined;
  /** Told, as `host:port`, what a program asked for by name and may not reach. */
  onRefused?: ((target: string) => void) | undefined;
  /** Reached where the sandbox has a network of its own. Default: none. */
  localServer?: LocalServer | undefined;
  /** Told in a sentence what the machine did to it, and what was done about that. */
  onNotice?: ((message: string) => void) | undefined;
}

/** Memory of the machine that a sandbox held before it was made to hibernate, and holds since. */
export interface Hibernation {
  residentBytesBefore: number;
  residentBytesAfter: number;
}

/** One running sandbox, as the engine sees it. */
export interface EngineSandbox {
  readonly files: SandboxFiles;
  /** What it is held to, never more than the machine has. */
  readonly limits: Partial<Limits>;
  /** @throws HostError 400 when `cwd` is not there. */
  exec(command: Command): Promise<EngineProcess>;
  /** Where port `port` of the sandbox is reached: while nothing listens there undefined, or a connection is refused. */
  dial(port: number): Promise<Endpoint | undefined>;
  /** Replaces what it may connect to, for connections that are open, too. @throws HostError 400 where that makes no sense. */
  setNetwork(policy: NetworkPolicy): Promise<void>;
  /** How a path inside the sandbox is spelt by programs that run there. */
  pathInside(path: string): string;
  /** Stops every process where it stands. Starting new ones is up to the caller not to do. */
  freeze(): Promise<void>;
  /**
   * Freezes it, unless that has been done, and pushes its memory out to swap.
   *
   * @param signal - Stops the pushing half-way; it stays frozen.
   * @throws HostError 501 where {@link Capabilities.hibernate} is absent.
   */
  hibernate(signal?: AbortSignal): Promise<Hibernation>;
  /** Lets it go on, from a freeze or from hibernation: its memory comes back as it is needed. */
  thaw(): Promise<void>;
  /** Keeps the files as they are now as an image. The caller sees to it that nothing writes meanwhile. */
  checkpoint(): Promise<Image>;
  stats(): Promise<EngineStats>;
  /** Settles when the sandbox has come to an end by itself; it still has to be destroyed. */
  readonly lost: Promise<void>;
  /**
   * Ends every process and removes every trace. May be called again.
   *
   * @param options.keepFiles - Leaves the files, with which a {@link Engine.start} of the same id goes on.
   */
  destroy(options?: { keepFiles?: boolean }): Promise<void>;
}

/** A process that ran on while no host was there, or ended meanwhile. */
export interface AdoptedProcess {
  /** What {@link Command.label} was. */
  label: string;
  process: EngineProcess;
}

/** A sandbox that outlived its host. */
export interface AdoptedSandbox {
  sandbox: EngineSandbox;
  /** Settles for a frozen sandbox only when it is thawed. */
  processes: Promise<AdoptedProcess[]>;
}

/** Runs sandboxes in one particular way. */
export interface Engine {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** What the template `base` is made of. */
  readonly baseImage: Image;
  readonly volumes: EngineVolumes;
  /** @throws HostError 400 or 409 for volumes that cannot be mounted as asked, 501 where none can. */
  start(id: string, image: Image, options: StartOptions): Promise<EngineSandbox>;
  /** Takes over a sandbox of a host that has ended. @returns undefined when nothing of it runs any more. */
  adopt(id: string, image: Image, options: StartOptions): Promise<AdoptedSandbox | undefined>;
  /**
   * Ends every sandbox in the data directory that was neither started nor adopted here, and puts its files aside, unless
   * they are to be kept where they are.
   */
  endOthers(withFilesKept: string[]): Promise<void>;
  /** Removes the files that `destroy({ keepFiles: true })` left. */
  removeFiles(id: string): Promise<void>;
  removeImage(image: Image, stillUsed: Image[]): Promise<void>;
  /** How much room the last layer of an image takes, in bytes. */
  imageBytes(image: Image): Promise<number>;
  /** Removes what is left of images that were being made, and puts aside every other but these, which no record names. */
  keepOnly(images: Image[]): Promise<void>;
}
