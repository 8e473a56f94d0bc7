import { machines, supervisorCalls } from './syscalls.js';

/** A script for `perl -e` that can make system calls on this kind of machine; undefined where they are not known. */
export function perlScript(body: string): string | undefined {
  const column = machines[process.arch]?.column;
  if (column === undefined) return undefined;
  const calls = Object.entries(supervisorCalls).map(([name, numbers]) => `${name} => ${numbers[column]}`);
  return `use strict;\nmy %sys = (${calls.join(', ')});\n${call}${body}`;
}

/** Makes a system call, or dies. */
const call = String.raw`
sub call { my ($name, @args) = @_; my $result = syscall $sys{$name}, @args; $result == -1 ? die "$name: $!\n" : $result }
`;
