import { HostError } from './host-error.js';

const descriptors = 'The machine has no file descriptors left for the sandbox host; try again later.';
const memory = 'The machine has no memory left; try again later.';
const processes = 'There is no room for another process; try again later.';
const disk = 'There is no space left on the disk.';

const byCode: Record<string, string> = {
  EMFILE: descriptors,
  ENFILE: descriptors,
  ENOMEM: memory,
  ENOSPC: disk,
  EDQUOT: disk,
};

/** By what tools say, whose errors have no code. */
const byText: [RegExp, string][] = [
  [/Too many open files/, descriptors],
  [/Cannot allocate memory/, memory],
  [/fork: .*Resource temporarily unavailable|forkpty/, processes],
  [/No space left on device|Disk quota exceeded/, disk],
];

/**
 * Says in the caller's terms that the machine is out of something, by what the system or a tool said.
 *
 * @returns HostError 503, or 507 for the disk; undefined for every other error.
 */
export function shortageOf(error: unknown): HostError | undefined {
  // What is said in the caller's terms already stays as it is.
  if (!(error instanceof Error) || HostError.isInstance(error)) return undefined;
  const { code = '', syscall = '', message } = error as NodeJS.ErrnoException;
  // Only of a new process: a pipe that is full says the same.
  const noProcess = code === 'EAGAIN' && syscall.startsWith('spawn') ? processes : undefined;
  const said = byCode[code] ?? noProcess ?? byText.find(([text]) => text.test(message))?.[1];
  if (said === undefined) return shortageOf(error.cause);
  return new HostError(said === disk ? 507 : 503, said, { cause: error });
}
