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

/** Connects to `host:port` arguments and says those that answered, one a line. */
export const connectScript: string = `use Socket; for my $target (@ARGV) {
  my ($host, $port) = split /:/, $target;
  socket(my $socket, PF_INET, SOCK_STREAM, 0) or next;
  eval { local $SIG{ALRM} = sub { die }; alarm 1;
    print "$target\\n" if connect($socket, pack_sockaddr_in($port, inet_aton($host)));
  };
  alarm 0;
}`;

/** Says the address of the default gateway, if it has one. */
export const gatewayScript: string = `open(my $routes, '<', '/proc/net/route') or exit;
while (<$routes>) { my @field = split; print join('.', unpack('C4', pack('L', hex $field[2]))) if $field[1] eq '00000000' }`;

/** Starts processes until it is refused, and says how many that took; 200 are enough. */
export const forkScript: string = `my @made; for (1 .. 200) { my $pid = fork; last unless defined $pid;
  if (!$pid) { sleep 30; exit } push @made, $pid } print scalar @made; kill 'KILL', @made;`;

/** Takes more memory than the probe has. */
export const memoryScript: string = 'my $taken = "x" x 300_000_000; print length $taken;';

/**
 * Writes until it is refused, then makes empty files until it is, says how many megabytes and files that were, and removes
 * them; so many megabytes and thousands of files are enough.
 */
export const fillScript: string = `my ($most) = @ARGV; my $in = "/tmp/sandpiper-fill$$"; mkdir $in or die;
  open my $file, '>', "$in/file" or die; my ($written, $made) = (0, 0);
  for (1 .. $most) { my $sent = syswrite $file, "x" x 1048576; last unless $sent; $written += $sent }
  close $file; unlink "$in/file";
  for (1 .. $most * 1000) { open my $one, '>', "$in/$_" or last; $made++ }
  print int($written / 1048576), ' ', $made; unlink "$in/$_" for 1 .. $made; rmdir $in`;

/** Is busy for a moment. */
export const busyScript: string = 'use Time::HiRes "time"; my $end = time + 0.4; 1 while time < $end;';

/** Holds some memory until it is ended. */
export const holdScript: string = 'my $held = "x" x 16_000_000; $| = 1; print "held"; sleep 60;';
