import type { Readable } from 'node:stream';
import type { OpenFile } from './files.js';

/** A volume in a sandbox, for as long as the sandbox lives. */
export interface MountedVolume {
  id: string;
  /** Absolute, inside the sandbox, without dots, doubled slashes and a slash at its end. */
  path: string;
}

/** What a path in a volume is. A symbolic link is described as itself. */
export interface VolumeEntry {
  name: string;
  /** Absolute, inside the volume. */
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'unknown';
  size: number;
  /** The permission bits. */
  mode: number;
  /** Of its owner and group, as sandboxes see them. */
  uid: number;
  gid: number;
  accessedAt: Date;
  modifiedAt: Date;
  changedAt: Date;
  /** Where a symbolic link leads, as it is written in it. */
  target?: string;
}

/** What is set of something in a volume; what is left out stays, or is as for the `user` of sandboxes. */
export interface VolumeAttributes {
  uid?: number | undefined;
  gid?: number | undefined;
  /** The permission bits. */
  mode?: number | undefined;
}

/** How something is made in a volume. */
export interface VolumeWriteOptions extends VolumeAttributes {
  /** Makes the directories above it, and is content with, or replaces, what is there. */
  force?: boolean | undefined;
}

/**
 * The files of one volume. Paths are absolute inside the volume, and no link, however placed, leads out of it.
 *
 * @throws HostError from every method: 404 where a path is not there, 409 where it is in the way, 400 otherwise.
 */
export interface VolumeFiles {
  stat(path: string): Promise<VolumeEntry>;
  /** What is in a directory, down to `depth` levels (1: its own entries). */
  list(path: string, depth: number, signal?: AbortSignal): Promise<VolumeEntry[]>;
  read(path: string): Promise<OpenFile>;
  /** Writes a whole file: half of one is never seen. */
  write(path: string, content: Readable, options: VolumeWriteOptions): Promise<VolumeEntry>;
  makeDirectory(path: string, options: VolumeWriteOptions): Promise<VolumeEntry>;
  change(path: string, attributes: VolumeAttributes): Promise<VolumeEntry>;
  /** Removes a file or a whole directory. */
  remove(path: string): Promise<void>;
}

/** Directories that sandboxes share and that outlive them. */
export interface EngineVolumes {
  make(id: string): Promise<void>;
  /** Removes one that no sandbox has. */
  remove(id: string): Promise<void>;
  /** Puts aside every one but these: what no record names, which may be all that is left of a volume. */
  keepOnly(ids: string[]): Promise<void>;
  files(id: string): VolumeFiles;
}
