import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { FileEntry, SandboxFiles } from '../engines/files.js';
import { callerOf } from './caller.js';
import { type EntryInfo, EntryInfoSchema, type Filesystem, FileType } from './gen/filesystem_pb.js';
import { resolvePath } from './paths.js';

/** So deep a list goes at most. */
const maxDepth = 64;

const fileTypes: Record<FileEntry['type'], FileType> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
  other: FileType.UNSPECIFIED,
};

/** Files as the SDK's `sandbox.files` asks for them; contents go by `/files`. */
export const filesystemService: Partial<ServiceImpl<typeof Filesystem>> = {
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
    const entries = await files.list(resolve(path), Math.min(depth || 1, maxDepth));
    return { entries: entries.map(entryInfo) };
  },
  async remove({ path }, context) {
    const { files, resolve } = open(context);
    await files.remove(resolve(path));
    return {};
  },
};

function open(context: HandlerContext) {
  const { sandbox, user } = callerOf(context);
  const files: SandboxFiles = sandbox.engine.files;
  return { files, user, resolve: (path: string): string => resolvePath(path, user, sandbox) };
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
    ...(entry.symlinkTarget === undefined ? {} : { symlinkTarget: entry.symlinkTarget }),
  });
}

/** As `ls -l` writes them. */
function permissions({ type, mode, symlinkTarget }: FileEntry): string {
  const first = symlinkTarget !== undefined ? 'L' : type === 'directory' ? 'd' : '-';
  const letters = 'rwxrwxrwx';
  return first + [...letters].map((letter, index) => (mode & (0o400 >> index) ? letter : '-')).join('');
}
