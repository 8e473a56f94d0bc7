# Perl that makes a user namespace and enters it. Inside, users 0 to 65535 are those from `$base` on outside.
#
# The process that makes it stays outside, so that nothing inside can trace or signal it. The namespace belongs to `$owner`, a
# user nobody else is: what the kernel counts by user, it counts up to there, and not together with the machine's root.

my $new_user = 0x10000000;

sub make_users { my ($base, $owner) = @_;
  pipe my $made, my $tell or die "pipe: $!\n";
  pipe my $wait, my $done or die "pipe: $!\n";
  defined(my $pid = fork) or die "fork: $!\n";
  unless ($pid) {
    close $done;
    # SECBIT_NO_SETUID_FIXUP: some machines want to see capabilities of who makes one.
    call('prctl', 28, 4, 0, 0, 0);
    call('setresuid', -1, $owner, -1);
    call('unshare', $new_user);
    syswrite $tell, readlink '/proc/self';
    sysread $wait, my $nothing, 1;
    exit;
  }
  close $tell;
  sysread $made, my $at, 32 or die "no user namespace could be made\n";
  for my $map ('uid_map', 'gid_map') {
    open my $file, '>', "/proc/$at/$map" or die "$map: $!\n";
    syswrite $file, "0 $base 65536\n" or die "$map: $!\n";
  }
  open my $users, '<', "/proc/$at/ns/user" or die "user namespace: $!\n";
  close $done;
  waitpid $pid, 0;
  $users }

# With every capability in there, and none outside.
sub enter_users { my ($users, $owner) = @_;
  call('setresuid', -1, $owner, -1);
  call('setns', fileno $users, $new_user) }
