/** The machines whose system calls are known by number here: the first number is x86-64's, the second arm64's. */
export const machines: Partial<Record<NodeJS.Architecture, { column: 0 | 1; auditArchitecture: number }>> = {
  x64: { column: 0, auditArchitecture: 0xc000_003e },
  arm64: { column: 1, auditArchitecture: 0xc000_00b7 },
};

/** What the supervisor asks of the kernel that Perl has no word for. */
export const supervisorCalls: Record<string, [number, number]> = {
  capget: [125, 90],
  capset: [126, 91],
  clone3: [435, 435],
  close: [3, 57],
  dup3: [292, 24],
  mount: [165, 40],
  move_mount: [429, 429],
  open_tree: [428, 428],
  pivot_root: [155, 41],
  prctl: [157, 167],
  rt_sigprocmask: [14, 135],
  setgroups: [116, 159],
  sethostname: [170, 161],
  setns: [308, 268],
  setresgid: [119, 149],
  setresuid: [117, 147],
  setsid: [112, 157],
  signalfd4: [289, 74],
  umount2: [166, 39],
  unshare: [272, 97],
};
