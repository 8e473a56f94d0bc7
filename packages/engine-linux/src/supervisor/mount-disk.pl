# Perl that gives a disk, which is a file with a file system in it, a loop device and mounts it.
#
# The device detaches itself when its last mount has gone, and that is in a mount namespace of the sandbox's own: so
# nothing is left when the last process of the sandbox ends, however that comes.

sub mount_disk { my ($image, $at, $flags, $data) = @_;
  open my $file, '+<', $image or die "$image: $!\n";
  # The device holds the lock for as long as it has the file. Mounted twice, by two devices, a disk would be destroyed;
  # it may still be for a moment when somebody reads a file of the sandbox that was on it before.
  for (my $tries = 500; !flock $file, 2 | 4; $tries--) {
    die "$image is in use\n" unless $tries;
    select undef, undef, undef, 0.02;
  }
  my ($path, $device) = attach_disk($file);
  call('mount', $path, $at, 'ext4', $flags + 0, $data);
  # What an overlay that need not survive the machine leaves, so that no other is made over it (OVL_WORKDIR_NAME).
  my $left = "$at/work/work/incompat";
  unlink "$left/volatile/dirty";
  rmdir $_ for "$left/volatile", $left }

sub attach_disk { my ($file) = @_;
  open my $control, '+<', '/dev/loop-control' or die "/dev/loop-control: $!\n";
  for (1 .. 1000) {
    my $number = ioctl $control, 0x4C82, 0 or die "no loop device: $!\n"; # LOOP_CTL_GET_FREE
    my $path = '/dev/loop' . ($number + 0);
    open my $device, '+<', $path or die "$path: $!\n";
    # Detached with its last user (LO_FLAGS_AUTOCLEAR).
    my $config = pack 'L2x52Lx240', fileno $file, 4096, 4;
    return ($path, $device) if ioctl $device, 0x4C0A, $config; # LOOP_CONFIGURE
    # Another one was faster: EBUSY.
    die "$path: $!\n" unless $! == 16;
  }
  die "no loop device is free\n" }
