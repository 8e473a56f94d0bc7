import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Names this process in what it leaves on the machine, so that others can tell whether it still lives:
 * `<pid>-<process namespace>-<start time>`.
 */
export function ownerTag(): string {
  own ??= `${process.pid}-${processNamespace()}-${startTimeOf(process.pid) ?? 0}`;
  return own;
}

let own: string | undefined;

/** The tag of what its owner has given up: of no process, so the next host may take it. */
export function nobodysTag(): string {
  return `0-${processNamespace()}-0`;
}

/** What {@link ownerTag} looks like, for patterns of names. */
export const ownerTagPattern: string = String.raw`\d+-\d+-\d+`;

/**
 * Whether the process that a tag names still lives: `unknown` where its number is counted elsewhere, as in another
 * container, and for what is no tag.
 */
export function stateOfOwner(tag: string): 'living' | 'dead' | 'unknown' {
  const [pid, namespace, startTime] = tag.split('-');
  if (startTime === undefined || namespace !== processNamespace()) return 'unknown';
  return isThere(Number(pid), startTime) ? 'living' : 'dead';
}

/** When a process started (proc(5)), in clock ticks since the machine did; undefined when it has ended. */
export function startTimeOf(pid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Numbers of processes mean something only among those who count alike. */
function processNamespace(): string {
  if (process.platform !== 'linux') return '0';
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}

function isThere(pid: number, startTime: string): boolean {
  if (process.platform === 'linux') return startTimeOf(pid) === startTime;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
