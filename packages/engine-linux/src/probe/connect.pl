# Connects to `host:port` arguments and says those that answered, one a line.

use Socket; for my $target (@ARGV) {
  my ($host, $port) = split /:/, $target;
  socket(my $socket, PF_INET, SOCK_STREAM, 0) or next;
  eval { local $SIG{ALRM} = sub { die }; alarm 1;
    print "$target\n" if connect($socket, pack_sockaddr_in($port, inet_aton($host)));
  };
  alarm 0;
}
