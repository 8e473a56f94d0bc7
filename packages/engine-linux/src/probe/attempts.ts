import { readlinkSync } from 'node:fs';

/** Something a program in a sandbox must not succeed at, as a shell script. */
export interface Attempt {
  /** What it would have got; after "a program in a sandbox could …". */
  what: string;
  /** Ends with 0 when it has succeeded. */
  script: string;
}

/** Ways out of a sandbox. Each does no harm where it succeeds. */
export function escapeAttempts(hostFile: string): Attempt[] {
  const hostNamespace = (kind: string): string => readlinkSync(`/proc/self/ns/${kind}`);
  const sharesNamespace = (kind: string): string =>
    `[ "$(readlink /proc/self/ns/${kind})" = "${hostNamespace(kind)}" ]`;
  return [
    { what: 'read a file of the host', script: `cat '${hostFile}' || cat '/proc/1/root${hostFile}'` },
    { what: 'see the processes of the host', script: sharesNamespace('pid') },
    { what: 'see the mounts of the host', script: sharesNamespace('mnt') },
    { what: 'meet the shared memory of the host', script: sharesNamespace('ipc') },
    { what: 'act as the users of the host', script: sharesNamespace('user') },
    {
      what: 'mount a file system',
      script: 'd=$(mktemp -d); mount -t tmpfs tmpfs "$d" && umount "$d"; code=$?; rmdir "$d"; exit $code',
    },
    { what: 'make namespaces of its own', script: 'unshare -U true || unshare -m true' },
    // Opened for writing and left as it is.
    { what: 'change kernel settings', script: ': >> /proc/sys/kernel/core_pattern' },
    { what: 'use the magic keys', script: ': >> /proc/sysrq-trigger' },
    { what: 'make device nodes', script: 'mknod /tmp/sandpiper-probe b 8 0 && rm /tmp/sandpiper-probe' },
    // To the mode that it has.
    { what: 'change the devices of the host', script: 'chmod 666 /dev/null' },
    { what: 'change the system directories', script: ': >> /usr/sandpiper-probe && rm /usr/sandpiper-probe' },
    { what: 'use every system call', script: '! grep -q "^Seccomp:.*2" /proc/self/status' },
    { what: 'gain privileges', script: '! grep -q "^NoNewPrivs:.*1" /proc/self/status' },
  ];
}

/** A script that says the number of every attempt that has succeeded, one a line. */
export function attemptScript(attempts: Attempt[]): string {
  return attempts
    .map(({ script }, index) => `if (${script}) > /dev/null 2>&1; then echo ${index}; fi`)
    .join('\n');
}

/** Takes more memory than the probe has. */
export const memoryScript: string = 'my $taken = "x" x 300_000_000; print length $taken;';

/** Is busy for a moment. */
export const busyScript: string = 'use Time::HiRes "time"; my $end = time + 0.4; 1 while time < $end;';

/** Holds some memory until it is ended. */
export const holdScript: string = 'my $held = "x" x 16_000_000; $| = 1; print "held"; sleep 60;';
