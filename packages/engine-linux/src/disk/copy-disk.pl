# Perl that copies what changes are kept in from a disk that a sandbox has mounted; run in a mount namespace of its own.
#
# The disk is mounted once more, by the device that it has: the kernel takes that for the same file system. The device
# is known by the file that it stands for, and held open first, so that it cannot become another disk's meanwhile.

sub copy_disk { my ($image, $at, $to) = @_;
  my ($file_system, $file) = stat $image or die "$image: $!\n";
  opendir my $blocks, '/sys/block' or die "/sys/block: $!\n";
  for my $name (grep { /^loop/ } readdir $blocks) {
    next unless -d "/sys/block/$name/loop" && open my $device, '<', "/dev/$name";
    my $status = "\0" x 256;
    ioctl $device, 0x4C05, $status or next; # LOOP_GET_STATUS64
    my ($its_file_system, $its_file) = unpack 'Q2', $status;
    next unless $its_file_system == $file_system && $its_file == $file;
    call('mount', "/dev/$name", $at, 'ext4', 2 | 4, 0);
    exec 'cp', '-a', '--reflink=auto', "$at/upper/.", $to or die "cp: $!\n";
  }
  die "$image has no device\n" }
