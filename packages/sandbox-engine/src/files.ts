import type { Readable } from 'node:stream';
import type { SandboxUser } from './user.js';

/** What a path in a sandbox is. A symbolic link is described as what it points at. */
export interface FileEntry {
  name: string;
  /** Absolute, inside the sandbox. */
  path: string;
  /** `other` is a broken link, a socket, a pipe or a device. */
  type: 'file' | 'directory' | 'other';
  size: number;
  /** The permission bits. */
  mode: number;
  owner: string;
  group: string;
  modifiedAt: Date;
  /** Where a symbolic link leads in the end. */
  symlinkTarget?: string;
  /** Keys and values given to it when it was written, or by programs in the sandbox as `user.e2b.*` attributes. */
  metadata?: Record<string, string>;
}

/** A file opened for reading. */
export interface OpenFile {
  /** What it said when it was opened; 0 also for files that are made as they are read. */
  size: number;
  modifiedAt: Date;
  /** Its bytes, all or from one to another; closes it in the end. */
  stream(range?: { start: number; end: number }): Readable;
  /** For who does not want to read it after all. */
  close(): Promise<void>;
}

/** What happened to something in a watched directory. */
export interface FileEvent {
  /** Relative to the watched directory. */
  name: string;
  type: 'create' | 'write' | 'remove' | 'rename' | 'chmod';
}

/**
 * The files of one sandbox. Paths are absolute and mean what they mean inside: no link, however placed, leads
 * out of the sandbox.
 *
 * @throws HostError from every method: 404 where a path is not there, 409 where it is in the way, 400 otherwise.
 */
export interface SandboxFiles {
  stat(path: string): Promise<FileEntry>;
  /** What is in a directory, down to `depth` levels (1: its own entries). */
  list(path: string, depth: number, signal?: AbortSignal): Promise<FileEntry[]>;
  read(path: string): Promise<OpenFile>;
  /** Writes a file from its beginning, making the directories above it, owned by `owner` like the file. */
  write(
    path: string,
    content: Readable,
    owner: SandboxUser,
    metadata?: Record<string, string>,
  ): Promise<FileEntry>;
  /** Makes a directory and those above it. */
  makeDirectory(path: string, owner: SandboxUser): Promise<FileEntry>;
  move(from: string, to: string, owner: SandboxUser): Promise<FileEntry>;
  /** Removes a file or a whole directory; does nothing where there is none. */
  remove(path: string): Promise<void>;
  /** Reports what happens in a directory, and below it when `recursive`. @returns what ends it. */
  watch(path: string, recursive: boolean, onEvent: (event: FileEvent) => void): Promise<() => void>;
}
