import { machines } from './syscalls.js';

/**
 * System calls that no program in a sandbox has a need of and that container runtimes refuse by default, too: they
 * change the machine, or reach parts of the kernel in which faults have been found. x86-64's number, arm64's number.
 */
export const refusedCalls: Record<string, [number, number | undefined]> = {
  _sysctl: [156, undefined],
  acct: [163, 89],
  add_key: [248, 217],
  bpf: [321, 280],
  clock_settime: [227, 112],
  create_module: [174, undefined],
  delete_module: [176, 106],
  fanotify_init: [300, 262],
  finit_module: [313, 273],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fspick: [433, 433],
  get_kernel_syms: [177, undefined],
  init_module: [175, 105],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  io_uring_setup: [425, 425],
  ioperm: [173, undefined],
  iopl: [172, undefined],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  lookup_dcookie: [212, 18],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  name_to_handle_at: [303, 264],
  nfsservctl: [180, 42],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  perf_event_open: [298, 241],
  pivot_root: [155, 41],
  query_module: [178, undefined],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  reboot: [169, 142],
  request_key: [249, 218],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  setns: [308, 268],
  settimeofday: [164, 170],
  swapoff: [168, 225],
  swapon: [167, 224],
  sysfs: [139, undefined],
  syslog: [103, 116],
  umount2: [166, 39],
  unshare: [272, 97],
  uselib: [134, undefined],
  userfaultfd: [323, 282],
  ustat: [136, undefined],
  vhangup: [153, 58],
};
const clone: [number, number] = [56, 220];
/** Its flags lie in memory, where a filter cannot see them. */
const clone3 = 435;
/** Every CLONE_NEW… that clone(2) takes. */
const newNamespaces = 0x7e02_0000;
/** Calls of the x32 kind have this bit, and other numbers. */
const x32Bit = 0x4000_0000;

// Classic BPF over seccomp_data, as in linux/filter.h and linux/seccomp.h.
const load = 0x20;
const and = 0x54;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const answer = 0x06;
const atNumber = 0;
const atArchitecture = 4;
const atFirstArgument = 16;
const allow = 0x7fff_0000;
const kill = 0x8000_0000;
const fail = (errno: number): number => 0x0005_0000 | errno;
const EPERM = 1;
const ENOSYS = 38;

type Instruction = [code: number, value: number, whenTrue?: number, whenFalse?: number];

/** Programs for seccomp(2) on this kind of machine. */
export interface SeccompFilters {
  /** For a sandbox's first process: refuses all of {@link refusedCalls} but what takes programs to their users. */
  supervisor: Buffer;
  /** For programs, in addition: refuses that, too. */
  program: Buffer;
}

/** The filters for this kind of machine; undefined where its calls are not known. */
export function seccompFilters(architecture: NodeJS.Architecture = process.arch): SeccompFilters | undefined {
  const machine = machines[architecture];
  if (!machine) return undefined;
  const { setns, ...others } = refusedCalls;
  const numbersOf = (calls: ([number, number | undefined] | undefined)[]): number[] =>
    calls.flatMap((both) => both?.[machine.column] ?? []);
  const refuse = (numbers: number[]): Instruction[] =>
    numbers.flatMap((number): Instruction[] => [
      [jumpIfEqual, number, 0, 1],
      [answer, fail(EPERM)],
    ]);
  return {
    supervisor: encode([
      [load, atArchitecture],
      [jumpIfEqual, machine.auditArchitecture, 1, 0],
      [answer, kill],
      [load, atNumber],
      [jumpIfAtLeast, x32Bit, 0, 1],
      [answer, fail(ENOSYS)],
      // A C library that is told there is no clone3 uses clone.
      [jumpIfEqual, clone3, 0, 1],
      [answer, fail(ENOSYS)],
      ...refuse(numbersOf(Object.values(others))),
      [jumpIfEqual, clone[machine.column], 1, 0],
      [answer, allow],
      [load, atFirstArgument],
      [and, newNamespaces],
      [jumpIfEqual, 0, 0, 1],
      [answer, allow],
      [answer, fail(EPERM)],
    ]),
    program: encode([[load, atNumber], ...refuse(numbersOf([setns])), [answer, allow]]),
  };
}

function encode(program: Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, value, whenTrue = 0, whenFalse = 0]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(whenTrue, index * 8 + 2);
    bytes.writeUInt8(whenFalse, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  }
  return bytes;
}
