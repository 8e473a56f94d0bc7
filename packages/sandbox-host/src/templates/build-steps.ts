import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HostError } from '@sandpiper/sandbox-engine/host-error';
import type { SandboxUser } from '@sandpiper/sandbox-engine/user';
import { parseUser } from '../envd/paths.js';
import { describeExit } from '../sandboxes/describe-exit.js';
import { followLines } from '../sandboxes/follow-lines.js';
import type { Sandbox } from '../sandboxes/sandbox.js';
import { adviceOn, giveToUser, hasOwnRoot, installPlaces } from './package-managers.js';
import type { BuildLogEntry } from './template.js';

/** One instruction of a build, as the SDK sends it. */
export interface BuildStep {
  type: string;
  args: string[];
  filesHash?: string | undefined;
  /** Carry it out even if the same was done before. */
  force?: boolean | undefined;
}

/** What instructions set for those that follow, and for the sandboxes in the end. */
export interface BuildState {
  envs: Record<string, string>;
  workdir: string;
  user: SandboxUser;
}

type Log = (level: BuildLogEntry['level'], message: string) => void;

/**
 * Unpacks the archive on stdin and moves what it holds to its place: a file to the target's name (or into it,
 * when that ends with a slash), the contents of a directory into the target, as COPY of a Dockerfile does.
 */
const copyScript = `set -e
source=$1 target=$2 owner=$3 mode=$4
# Without users of its own a sandbox has no owner to give files to.
[ "$(id -u)" = 0 ] && id "$owner" >/dev/null 2>&1 || owner=
work=$(mktemp -d "\${TMPDIR:-/tmp}/copy.XXXXXX")
trap 'rm -rf "$work" "$work.errors"' EXIT
cd "$work"
if ! tar -xf - --no-same-owner 2>"$work.errors"; then
  head -n 20 "$work.errors" >&2
  echo "The uploaded archive cannot be unpacked: $(head -n 1 "$work.errors")" >&2
  exit 1
fi
set -- $source
[ -e "$1" ] || [ -L "$1" ] || { echo "The archive does not hold $source." >&2; exit 1; }
if [ "$#" -gt 1 ]; then target=$target/; fi
for entry in "$@"; do
  [ -z "$mode" ] || chmod -R "$mode" "$entry"
  [ -z "$owner" ] || chown -R "$owner:$owner" "$entry"
  if [ -d "$entry" ] && [ ! -L "$entry" ]; then
    if [ ! -d "$target" ]; then mkdir -p "$target"; [ -z "$owner" ] || chown "$owner:$owner" "$target"; fi
    cp -a "$entry/." "$target"
  else
    case "$target" in */) directory=$target ;; *) directory=$(dirname "$target") ;; esac
    if [ ! -d "$directory" ]; then mkdir -p "$directory"; [ -z "$owner" ] || chown "$owner:$owner" "$directory"; fi
    cp -a "$entry" "$target"
  fi
done`;

/**
 * Applies what an instruction says about those that follow.
 *
 * @returns whether there is nothing more to it.
 */
export function applyStep(state: BuildState, { type, args }: BuildStep): boolean {
  const [first = ''] = args;
  switch (type.toUpperCase()) {
    case 'ENV':
      for (let i = 0; i + 1 < args.length; i += 2) state.envs[args[i] ?? ''] = args[i + 1] ?? '';
      return true;
    case 'USER':
      state.user = parseUser(first, state.user);
      return true;
    case 'WORKDIR':
      state.workdir = posix.resolve(state.workdir, first);
      return false;
    default:
      return false;
  }
}

/** Carries out an instruction that changes files. @throws HostError 400 when it cannot be. */
export async function runStep(
  sandbox: Sandbox,
  state: BuildState,
  step: BuildStep,
  log: Log,
  openFiles: (() => Promise<Readable>) | undefined,
): Promise<void> {
  const [first = '', second = ''] = step.args;
  switch (step.type.toUpperCase()) {
    case 'WORKDIR': {
      await sandbox.engine.files.makeDirectory(state.workdir, state.user).catch((error: unknown) => {
        if (!HostError.isInstance(error) || error.status !== 409) throw error;
      });
      const { type } = await sandbox.engine.files.stat(state.workdir);
      if (type !== 'directory') throw new HostError(400, `The working directory ${state.workdir} is a file.`);
      return;
    }
    case 'RUN': {
      const user = userOfCommand(first, second, state.user);
      const envs = { ...installPlaces(sandbox, user), ...state.envs };
      await withAdvice(first, () =>
        execute(sandbox, { ...state, envs }, ['/bin/bash', '-l', '-c', first], user, log),
      );
      if (user === 'root' && hasOwnRoot(sandbox)) await execute(sandbox, state, giveToUser, 'root', log);
      return;
    }
    case 'COPY': {
      if (!openFiles) throw new HostError(400, 'A COPY step names no uploaded files.');
      const [, , owner, mode] = step.args;
      const inside = (path: string): string => sandbox.engine.pathInside(posix.resolve(state.workdir, path));
      const target = second.endsWith('/') ? `${inside(second)}/` : inside(second);
      const named = parseUser(owner?.split(':')[0] || undefined, state.user);
      const args = [
        '/bin/sh',
        '-c',
        copyScript,
        'copy',
        first.replace(/^\.\//, ''),
        target,
        named,
        mode ?? '',
      ];
      const files = await openFiles();
      await withAdvice('', () => execute(sandbox, { ...state, envs: {} }, args, 'root', log, files));
      return;
    }
    default:
      throw new HostError(400, `This host knows no build step "${step.type}".`);
  }
}

/** @throws HostError 400 in E2B's words for a user that no sandbox has. */
function userOfCommand(command: string, name: string, fallback: SandboxUser): SandboxUser {
  try {
    return parseUser(name, fallback);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new HostError(400, `failed to run command '${command}': command failed: unauthenticated: ${why}`, {
      cause,
    });
  }
}

/** Adds to the error of a step what can be done about it, where that is known. */
async function withAdvice(command: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const advice = HostError.isInstance(error) ? adviceOn(command, error.message) : undefined;
    if (!advice || !HostError.isInstance(error)) throw error;
    throw new HostError(400, `${error.message}. ${advice}.`, { cause: error });
  }
}

/** Runs a program to its end, its output going to the build's log. */
async function execute(
  sandbox: Sandbox,
  state: BuildState,
  [cmd = '', ...args]: string[],
  user: SandboxUser,
  log: Log,
  input?: Readable,
): Promise<void> {
  const { workdir: cwd, envs } = state;
  const { process, output } = await sandbox.start({ cmd, args, envs, cwd, user, stdin: input !== undefined });
  if (input && process.stdin) {
    // Ends early when the program does; its exit code tells more than a broken pipe.
    pipeline(input, process.stdin).catch(() => {});
  }
  let lastLine = '';
  const status = await followLines(output, (line) => {
    log('info', line);
    if (line !== '') lastLine = line;
  });
  if (status.code === 0) return;
  const ended = status.signal ? describeExit(status) : `exit code ${status.code}`;
  throw new HostError(400, `The step failed with ${ended}: ${lastLine}`);
}
