import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { FileEntry, FileEvent, SandboxFiles } from '@sandpiper/sandbox-engine/files';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import { newId } from '../sandboxes/identifiers.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { type Caller, type Context, callerOf } from './caller.js';
import type { Handlers } from './connect/service.js';
import { EventQueue } from './event-queue.js';
import {
  type EntryInfo,
  EntryInfoSchema,
  EventType,
  type Filesystem,
  type FilesystemEvent,
  FilesystemEventSchema,
  FileType,
} from './gen/filesystem_pb.js';
import { keepAliveMs, withKeepAlive } from './keep-alive.js';
import { resolvePath } from './paths.js';

const fileTypes: Record<FileEntry['type'], FileType> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
  other: FileType.UNSPECIFIED,
};

/** Files as the SDK's `sandbox.files` asks for them; contents go by `/files`. */
export const filesystemService: Handlers<typeof Filesystem, Caller> = {
  async stat({ path }, context) {
    const { files, resolve } = open(context);
    return { entry: entryInfo(await files.stat(resolve(path))) };
  },
  async makeDir({ path }, context) {
    const { files, resolve, user } = open(context);
    return { entry: entryInfo(await files.makeDirectory(resolve(path), user)) };
  },
  async move({ source, destination }, context) {
    const { files, resolve, user } = open(context);
    return { entry: entryInfo(await files.move(resolve(source), resolve(destination), user)) };
  },
  async listDir({ path, depth }, context) {
    const { files, resolve } = open(context);
    const entries = await files.list(resolve(path), depth || 1, context.signal);
    return { entries: entries.map(entryInfo) };
  },
  async remove({ path }, context) {
    const { files, resolve } = open(context);
    await files.remove(resolve(path));
    return {};
  },
  async *watchDir({ path, recursive, includeEntry }, context) {
    const { files, resolve, sandbox } = open(context);
    const directory = resolve(path);
    const queue = new EventQueue();
    const stop = await files.watch(directory, recursive, (event) => queue.push(event));
    const signal = AbortSignal.any([context.signal, sandbox.signal]);
    try {
      yield { event: { case: 'start', value: {} } };
      for await (const event of withKeepAlive(queue.read(signal), keepAliveMs(context))) {
        if (event === 'keepalive') yield { event: { case: 'keepalive', value: {} } };
        else
          yield {
            event: {
              case: 'filesystem',
              value: await filesystemEvent(event, directory, files, includeEntry),
            },
          };
      }
    } finally {
      stop();
    }
  },
  async createWatcher({ path, recursive, includeEntry }, context) {
    const { files, resolve, sandbox } = open(context);
    const directory = resolve(path);
    const watchers = watchersOf(sandbox);
    if (watchers.size >= maxWatchers) {
      throw new HostError(429, `A sandbox can have ${maxWatchers} watchers; remove one first.`);
    }
    const queue = new EventQueue();
    const unwatch = await files.watch(directory, recursive, (event) => queue.push(event));
    const stop = (): void => {
      sandbox.signal.removeEventListener('abort', stop);
      unwatch();
    };
    sandbox.signal.addEventListener('abort', stop);
    const watcherId = newId();
    watchers.set(watcherId, { directory, queue, includeEntry, stop });
    return { watcherId };
  },
  async getWatcherEvents({ watcherId }, context) {
    const { files, sandbox } = open(context);
    const watcher = watchersOf(sandbox).get(watcherId);
    if (!watcher) throw new HostError(404, `There is no watcher "${watcherId}".`);
    const { directory, queue, includeEntry } = watcher;
    const events = queue.take().map((event) => filesystemEvent(event, directory, files, includeEntry));
    return { events: await Promise.all(events) };
  },
  removeWatcher({ watcherId }, context) {
    const watchers = watchersOf(open(context).sandbox);
    const watcher = watchers.get(watcherId);
    if (!watcher) throw new HostError(404, `There is no watcher "${watcherId}".`);
    watcher.stop();
    watchers.delete(watcherId);
    return {};
  },
};

/** A watcher whose events are asked for. */
interface Watcher {
  directory: string;
  queue: EventQueue;
  includeEntry: boolean;
  stop: () => void;
}

const maxWatchers = 64;
const watchersBySandbox = new WeakMap<Sandbox, Map<string, Watcher>>();

function watchersOf(sandbox: Sandbox): Map<string, Watcher> {
  const known = watchersBySandbox.get(sandbox) ?? new Map<string, Watcher>();
  watchersBySandbox.set(sandbox, known);
  return known;
}

const eventTypes: Record<FileEvent['type'], EventType> = {
  create: EventType.CREATE,
  write: EventType.WRITE,
  remove: EventType.REMOVE,
  rename: EventType.RENAME,
  chmod: EventType.CHMOD,
};

async function filesystemEvent(
  event: FileEvent,
  directory: string,
  files: SandboxFiles,
  includeEntry: boolean,
): Promise<FilesystemEvent> {
  // Gone again is as good as not asked for.
  const entry = includeEntry
    ? await files.stat(`${directory}/${event.name}`).catch(() => undefined)
    : undefined;
  return create(FilesystemEventSchema, {
    name: event.name,
    type: eventTypes[event.type],
    ...(entry ? { entry: entryInfo(entry) } : {}),
  });
}

function open(context: Context) {
  const { sandbox, user } = callerOf(context);
  const files: SandboxFiles = sandbox.engine.files;
  return { files, user, sandbox, resolve: (path: string): string => resolvePath(path, user, sandbox) };
}

function entryInfo(entry: FileEntry): EntryInfo {
  return create(EntryInfoSchema, {
    name: entry.name,
    type: fileTypes[entry.type],
    path: entry.path,
    size: BigInt(entry.size),
    mode: entry.mode,
    permissions: permissions(entry),
    owner: entry.owner,
    group: entry.group,
    modifiedTime: timestampFromDate(entry.modifiedAt),
    ...(entry.metadata ? { metadata: entry.metadata } : {}),
    ...(entry.symlinkTarget === undefined ? {} : { symlinkTarget: entry.symlinkTarget }),
  });
}

/** As `ls -l` writes them. */
function permissions({ type, mode, symlinkTarget }: FileEntry): string {
  const first = symlinkTarget !== undefined ? 'L' : type === 'directory' ? 'd' : '-';
  const letters = 'rwxrwxrwx';
  return first + [...letters].map((letter, index) => (mode & (0o400 >> index) ? letter : '-')).join('');
}
