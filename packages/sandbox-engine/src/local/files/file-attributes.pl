# Reads and writes the extended attributes of one namespace for the host, which asks by lines: `read <path>`, or
# `write <path> <name>=<value> …`, all in hexadecimal. Each line is responded to, in turn, with `ok` and what was read, or with
# the system's name of the error.

use strict;
use Errno;
$| = 1;
my ($namespace, $set, $get, $list) = @ARGV;
# As large as an attribute may be on Linux. What one file has beyond it is left out.
my $most = 65536;
sub failed { for my $name (keys %!) { return $name if $!{$name} } "$!" }
sub names {
  my ($path) = @_;
  my $found = "\0" x $most;
  my $length = syscall $list, $path, $found, $most;
  $length == -1 ? () : grep { index($_, $namespace) == 0 } split /\0/, substr $found, 0, $length;
}
sub value {
  my ($path, $name) = @_;
  my $found = "\0" x $most;
  my $length = syscall $get, $path, $name, $found, $most;
  $length == -1 ? undef : substr $found, 0, $length;
}
while (defined(my $line = <STDIN>)) {
  chomp $line;
  my ($action, $hex, @pairs) = split / /, $line;
  my $path = pack 'H*', $hex;
  my ($reply, $total) = ('ok ', 0);
  if ($action eq 'read') {
    for my $name (names $path) {
      my $value = value $path, $name;
      next unless defined $value;
      last if ($total += length($name) + length $value) > $most;
      $reply .= unpack('H*', substr $name, length $namespace) . '=' . unpack('H*', $value) . ' ';
    }
  } else {
    for (@pairs) {
      my ($name, $value) = map { pack 'H*', $_ } split /=/, $_, 2;
      next if syscall($set, $path, $namespace . $name, $value, length $value, 0) != -1;
      $reply = failed;
      last;
    }
  }
  print "$reply\n";
}
