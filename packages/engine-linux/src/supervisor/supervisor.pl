# The first process of a sandbox, in Perl, which every Debian has. It makes the namespaces and the root, gives up what
# it does not need, and then starts programs for the host that asks over a socket, keeps the reading ends of their
# outputs so that they outlive the host, and remembers how they ended until the host has let go of them.
#
# It has the users of the host, and what it starts has users of its own (see user-namespace.pl). Where there are none,
# the sandbox's root cannot trace it either, since it holds one capability more (CAP_SETPCAP). The socket lies outside
# of the sandbox's root, and no descriptor here is a directory. No module but `strict` is loaded, and that before the
# sandbox's files are there. Frames are described in frames.ts.

sub send_to { my ($to, @fields) = @_; my $frame = pack 'N/a*', pack '(N/a*)*', @fields;
  while (length $frame) { my $sent = syswrite $to, $frame or return; substr $frame, 0, $sent, '' } 1 }
sub read_setup { my ($size, $frame) = (4, '');
  for my $part (1, 2) {
    $frame = '';
    while (length $frame < $size) { sysread STDIN, $frame, $size - length $frame, length $frame or exit 1 }
    $size = unpack 'N', $frame if $part == 1;
  }
  unpack '(N/a*)*', $frame }

# The program that started the host may have left descriptors open to it, and Node.js hands them on.
opendir my $open, '/proc/self/fd' or die "/proc: $!\n";
my @inherited = grep { $_ > 2 } map { $_ + 0 } readdir $open;
closedir $open;
syscall $sys{close}, $_ for @inherited;

# The users of programs. No other process has this one's number, so no other namespace has its owner.
my $base = shift() + 0;
my $owner = $base + 65536 + readlink '/proc/self';
my $users = $base ? make_users($base, $owner) : undef;

# Until here it is anybody's, and here it may wait.
$0 = 'sandpiper-init';
sub counted { my ($fields) = @_; my $count = shift @$fields; splice @$fields, 0, $count }
my ($id, $ends_with_host, $netns, $local_port, $directory, $root, $filter, $last_filter, @mounts) = read_setup();
my %groups = counted(\@mounts);
my @volumes = counted(\@mounts);
$0 = "sandpiper-init $id";
my ($set_pdeathsig, $sigkill) = (1, 9);
call('prctl', $set_pdeathsig, $sigkill) if $ends_with_host;

# Its control groups, by directory and version, are gone into from within: a process that another one moves, or that is
# more than a thread, has the kernel wait until nothing on the machine forks or ends, which takes it some 8 ms.
sub enter { my ($file) = @_;
  open my $group, '>', $file or die "$file: $!\n";
  syswrite $group, '0' or die "$file: $!\n" }
sub fork_into { my ($unified) = @_;
  if (defined $unified && opendir my $group, $unified) {
    my ($into_group, $sigchld) = (1 << 33, 17);
    my $arguments = pack 'Q11', $into_group, 0, 0, 0, $sigchld, (0) x 5, fileno $group;
    my $pid = syscall $sys{clone3}, $arguments, length $arguments;
    return $pid if $pid != -1;
  }
  # Kernels before 5.7, and containers that refuse it.
  defined(my $pid = fork) or die "fork: $!\n";
  enter("$unified/cgroup.procs") if !$pid && defined $unified;
  $pid }
my ($unified) = grep { $groups{$_} == 2 } keys %groups;

# The first process of a process namespace has to be started into it. Its parent sees it off when it ends.
call('unshare', 0x20000000);
my $child = fork_into($unified);
if ($child) { close $_ for *STDIN, *STDOUT, *STDERR; waitpid $child, 0; exit }
call('prctl', $set_pdeathsig, $sigkill) if $ends_with_host;
enter("$_/tasks") for grep { $groups{$_} == 1 } keys %groups;

umask 077;
chdir $directory or die "$directory: $!\n";
unlink 'control';
socket my $listener, 1, 1, 0 or die "socket: $!\n";
bind $listener, pack 'Sa*', 1, "control\0" or die "bind: $!\n";
# Each host that comes while this is frozen leaves a connection that is not taken before it is thawed.
listen $listener, 4096;
umask 022;
# Its number, as the host counts.
send_to(*STDOUT, scalar readlink '/proc/self');

if ($netns) {
  open my $namespace, '<', $netns or die "$netns: $!\n";
  call('setns', fileno $namespace, 0x40000000);
}
# Before any program can listen there.
my $local = $local_port ? listen_locally($local_port) : undef;
# Mounts, IPC, host name.
call('unshare', 0x00020000 | 0x08000000 | 0x04000000);
call('sethostname', $id, length $id);
my ($bind, $remount) = (4096, 32);
# First of all, nothing that is mounted here is to be seen outside: MS_REC | MS_PRIVATE.
call('mount', 'none', '/', 'none', 16384 | 1 << 18, 0);
while (my ($source, $target, $type, $flags, $data) = splice @mounts, 0, 5) {
  $flags += 0;
  if ($type eq 'ext4') { mount_disk($source, $target, $flags, $data); next }
  for my $step ($flags & $bind ? ($bind, $flags == $bind ? () : $flags | $remount) : $flags) {
    eval { call('mount', $source, $target, $type, $step, $data); 1 } or die "mount $target: $@";
  }
}
# Copies of the mounts, taken while the host's paths are there: OPEN_TREE_CLONE, closed when a program is run.
for my $index (grep { $_ % 2 == 0 } 0 .. $#volumes) {
  $volumes[$index] = eval { call('open_tree', -100, $volumes[$index], 1 | 02000000) } || die "volume $volumes[$index + 1]: $@";
}
# The old root ends up on top of the new one, and is taken off.
chdir $root or die "$root: $!\n";
call('pivot_root', '.', '.');
call('umount2', '.', 2);
chdir '/';
-c '/dev/null' && sysopen my $null, '/dev/null', 2 or die "/dev/null: $!\n";

# Attached where only the sandbox's own paths are left, and none that leads elsewhere: MOVE_MOUNT_F_EMPTY_PATH.
while (my ($tree, $target) = splice @volumes, 0, 2) {
  my $path = '';
  for my $name (grep { length } split m{/}, $target) {
    $path .= "/$name";
    die "volume $target: $path is a symbolic link\n" if -l $path;
    if (mkdir $path, 0755) { chown $base, $base, $path }
    elsif (!-d $path) { die "volume $target: $path: $!\n" }
  }
  my $nosuid_nodev = 2 | 4;
  eval {
    call('move_mount', $tree, '', -100, $path, 4);
    call('mount', 'none', $path, 'none', $bind | $remount | $nosuid_nodev, 0);
    1
  } or die "volume $target: $@";
  syscall $sys{close}, $tree;
}

# The host has written down where this is to be found, and the network's rules are in force.
read_setup();
# The groups' names are the host's affair. Kernels without this namespace show them.
syscall $sys{unshare}, 0x02000000;

# What root of a sandbox may do, as package managers must: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
my @root_capabilities = (0, 1, 3, 4, 5, 6, 7);
# All that the kernel knows, by PR_CAPBSET_READ; what is not kept is PR_CAPBSET_DROP's.
my ($prctl, @capabilities) = $sys{prctl};
push @capabilities, scalar @capabilities while syscall($prctl, 23, scalar @capabilities) != -1;
sub all_but { my %kept = map { $_ => 1 } @_; [grep { !$kept{$_} } @capabilities] }
sub drop { syscall($prctl, 24, $_) == -1 && die "prctl: $!\n" for @{$_[0]} }
sub permit { my $kept = 0;
  $kept |= 1 << $_ for @_;
  my ($header, $has) = (pack('L2', 0x20080522, 0), "\0" x 24);
  syscall($sys{capget}, $header, $has) == 0 or die "capget: $!\n";
  $kept &= (unpack 'L6', $has)[1];
  call('capset', $header, pack 'L6', $kept, $kept, 0, 0, 0, 0) }
sub filter_calls { my ($program) = @_; call('prctl', 22, 2, pack 'Sx6P', length($program) / 8, $program) }
my $setpcap = 8;
drop(all_but(@root_capabilities, $setpcap));
permit(@root_capabilities, $setpcap);
# Made once: every program waits for this.
my ($lost_by_root, $lost_by_user) = (all_but(@root_capabilities), all_but());
# No new privileges, then the filter: both hold for everything that is started from here.
call('prctl', 38, 1, 0, 0, 0);
filter_calls($filter);

$SIG{PIPE} = 'IGNORE';
# Ends of children are read from a descriptor: a signal handler could miss one just before it waits.
my $sigchld = pack 'Q', 1 << 16;
call('rt_sigprocmask', 0, $sigchld, 0, 8);
open my $signals, '<&=', call('signalfd4', -1, $sigchld, 8, 04000 | 02000000);
call('dup3', fileno $null, $_, 0) for 0 .. 2;

my ($host, $buffer, $last, %processes, %id_of) = (undef, '', 0);

# Starts a program on three descriptors. Dies when it cannot be started, with why.
sub spawn { my ($uid, $stdio, $terminal, $cwd, $argv, $env) = @_;
  pipe my $verdict, my $objection or die "pipe: $!\n";
  defined(my $pid = fork) or die "fork: $!\n";
  unless ($pid) {
    eval {
      call('setsid');
      call('dup3', fileno $$stdio[$_], $_, 0) for 0 .. 2;
      ioctl STDIN, 0x540E, 0 if $terminal; # TIOCSCTTY
      # When memory runs out, programs go before the supervisor and before the host.
      if (open my $score, '>', '/proc/self/oom_score_adj') { syswrite $score, '500' }
      enter_users($users, $owner) if $users;
      drop($uid ? $lost_by_user : $lost_by_root);
      filter_calls($last_filter);
      call('setgroups', 0, 0);
      call('setresgid', $uid, $uid, $uid);
      call('setresuid', $uid, $uid, $uid);
      permit($uid ? () : @root_capabilities);
      chdir $cwd or die "cwd\n";
      $SIG{PIPE} = 'DEFAULT';
      call('rt_sigprocmask', 2, pack('Q', 0), 0, 8);
      %ENV = @$env;
      exec { $$argv[0] } @$argv;
      my $errno = $! + 0;
      syswrite STDERR, "$$argv[0]: $!\n";
      exit($errno == 2 ? 127 : 126); # ENOENT, as shells tell it
    };
    syswrite $objection, $@;
    exit 1;
  }
  close $objection;
  # Nothing comes when the program runs: its end of this pipe is closed by that.
  sysread $verdict, my $said, 256 or return $pid;
  waitpid $pid, 0;
  die $said;
}

sub start { my ($uid, $stdin, $cols, $rows, $label, $cwd, $argc, @rest) = @_;
  $uid += 0;
  my @argv = splice @rest, 0, $argc;
  my %process = (label => $label, terminal => $cols > 0);
  my ($input, $output, $errors);
  if ($stdin) { pipe $input, $process{in} or die "pipe: $!\n" }
  $input ||= $null;
  pipe $process{out}, $output or die "pipe: $!\n";
  if ($process{terminal}) {
    sysopen my $master, '/dev/pts/ptmx', 2 | 0400 or die "terminal: $!\n";
    my $lock = pack 'i', 0;
    ioctl $master, 0x40045431, $lock; # TIOCSPTLCK
    my $peer = ioctl $master, 0x5441, 2 | 0400 | 02000000 or die "terminal: $!\n"; # TIOCGPTPEER
    open my $slave, '+<&=', $peer;
    $process{master} = $master;
    resize(\%process, $cols, $rows);
    chown $base + $uid, $base + $uid, $slave;
    $process{pid} = spawn($uid, [$slave, $slave, $slave], 1, $cwd, \@argv, \@rest);
    # Its input and output go on by themselves, whether a host is there or not; nobody (65534) can be asked to stop.
    eval { spawn(65534, [@$_, $null], 0, '/', ['/bin/cat'], []) for [$input, $master], [$master, $output]; 1 }
      or do { kill 9, $process{pid}; die $@ };
  } else {
    pipe $process{err}, $errors or die "pipe: $!\n";
    # So that programs can open /dev/stdout and its like.
    chown $base + $uid, $base + $uid, grep { $_ && $_ != $null } $input, $output, $errors;
    $process{pid} = spawn($uid, [$input, $output, $errors], 0, $cwd, \@argv, \@rest);
  }
  my $id = ++$last;
  $processes{$id} = \%process;
  $id_of{$process{pid}} = $id;
  describe($id);
}

sub resize { my ($process, $cols, $rows) = @_;
  my $size = pack 'S4', $rows, $cols, 0, 0;
  ioctl $$process{master}, 0x5414, $size } # TIOCSWINSZ

sub describe { my ($id) = @_; my $process = $processes{$id};
  ($id, @$process{'pid', 'label'}, $$process{terminal} ? 1 : '',
    (map { defined $_ ? fileno $_ : '' } @$process{'in', 'out', 'err'}), $$process{status} // '') }

my %requests = (
  start => \&start,
  resize => sub { my ($id, $cols, $rows) = @_; resize($processes{$id}, $cols, $rows) if $processes{$id}; () },
  # The group, then the process itself: an interactive shell gets a group of its own only once it runs.
  kill => sub { my ($id, $signal) = @_;
    my $process = $processes{$id} or return;
    kill -$signal, $$process{pid} or defined $$process{status} or kill $signal, $$process{pid};
    () },
  kill_all => sub { kill $_[0], -1; () },
  close_stdin => sub { delete $processes{$_[0]}{in} if $processes{$_[0]}; () },
  release => sub { delete $processes{$_[0]}; () },
  respond => \&respond_locally,
);

sub tell_host { $host = undef unless !$host || send_to($host, @_) }

sub answer { my ($what, $tag, @args) = unpack '(N/a*)*', $_[0];
  my @results = eval { $requests{$what}->(@args) };
  chomp(my $error = $@);
  tell_host('answer', $tag, $error, @results) }

for (;;) {
  my ($ready, $writable) = ('', '');
  vec($ready, fileno $_, 1) = 1 for grep { $_ } $listener, $signals, $host;
  # Without a host what programs ask for waits in the kernel.
  my $timeout = await_local_requests($host && $local, \($ready, $writable));
  select($ready, $writable, undef, $timeout) > 0 or next;
  serve_local_requests($local, \&tell_host, $ready, $writable);
  if (vec $ready, fileno $signals, 1) {
    sysread $signals, my $ignored, 4096;
    while ((my $pid = waitpid(-1, 1)) > 0) {
      my $id = delete $id_of{$pid} or next;
      $processes{$id}{status} = $? if $processes{$id};
      tell_host('end', $id, $?);
    }
  }
  if ($host && vec $ready, fileno $host, 1) {
    if (sysread $host, $buffer, 65536, length $buffer) {
      while (length $buffer >= 4 && length $buffer >= 4 + (my $size = unpack 'N', $buffer)) {
        my $frame = substr $buffer, 4, $size;
        substr $buffer, 0, 4 + $size, '';
        answer($frame);
      }
    } else { $host = undef }
  }
  # A host that comes is the next one, which takes the place of the one before.
  if (vec $ready, fileno $listener, 1) {
    next unless accept(my $next, $listener);
    ($host, $buffer) = ($next, '');
    forget_local_requests();
    tell_host('process', describe($_)) for sort { $a <=> $b } keys %processes;
    tell_host('hello');
  }
}
