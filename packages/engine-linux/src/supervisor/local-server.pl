# The part of the supervisor that listens on a loopback port of the sandbox, in Perl: it takes the head of a request to
# the host and writes what the host says, one request a connection. What programs can make grow here is bounded:
# connections, the length of a head, how long either may take, and how often the host is asked.

my ($most_connections, $longest_head, $most_seconds, $most_a_second) = (16, 16384, 10, 50);
my $eagain = 11;
my (%local_requests, $last_request, $this_second, $accepted);

sub listen_locally { my ($port) = @_;
  socket my $listener, 2, 1 | 04000, 0 or die "socket: $!\n"; # AF_INET, SOCK_STREAM, SOCK_NONBLOCK
  bind $listener, pack 'SnC4x8', 2, $port, 127, 0, 0, 1 or die "port $port: $!\n";
  listen $listener, $most_connections or die "port $port: $!\n";
  $listener }

# Says what is waited for, and for how long at most.
sub await_local_requests { my ($listener, $readable, $writable) = @_;
  my $now = time;
  ($this_second, $accepted) = ($now, 0) if $now != ($this_second // 0);
  delete @local_requests{grep { abs($now - $local_requests{$_}{since}) > $most_seconds } keys %local_requests};
  my $takes = $listener && keys %local_requests < $most_connections && $accepted < $most_a_second;
  vec($$readable, fileno $listener, 1) = 1 if $takes;
  for (values %local_requests) {
    if (length $$_{response}) { vec($$writable, fileno $$_{socket}, 1) = 1 }
    # One that waits for the host has said all that is of interest.
    elsif (!$$_{asked} || $$_{answered}) { vec($$readable, fileno $$_{socket}, 1) = 1 }
  }
  %local_requests || $listener && !$takes ? 1 : undef }

sub serve_local_requests { my ($listener, $ask, $readable, $writable) = @_;
  for my $id (keys %local_requests) {
    my $request = $local_requests{$id};
    my $socket = $$request{socket};
    if (vec $writable, fileno $socket, 1) {
      my $written = syswrite $socket, $$request{response};
      if (!defined $written) { delete $local_requests{$id} unless $! == $eagain; next }
      substr $$request{response}, 0, $written, '';
      # Read to its end, so that the kernel does not take back what was written.
      shutdown $socket, 1 unless length $$request{response};
    } elsif (vec $readable, fileno $socket, 1) {
      my $read = sysread $socket, my $bytes, 4096;
      if (!$read) { delete $local_requests{$id} unless !defined $read && $! == $eagain; next }
      next if $$request{answered};
      $$request{head} .= $bytes;
      if ($$request{head} =~ /\r?\n\r?\n/) {
        $$request{asked} = 1;
        $ask->('call', $id, substr $$request{head}, 0, $-[0]);
      } elsif (length $$request{head} > $longest_head) { delete $local_requests{$id} }
    }
  }
  return unless $listener && vec $readable, fileno $listener, 1;
  accept my $socket, $listener or return;
  fcntl $socket, 4, 04000; # F_SETFL, O_NONBLOCK
  $accepted++;
  $local_requests{++$last_request} = { socket => $socket, head => '', response => '', since => time } }

sub respond_locally { my ($id, $response) = @_;
  my $request = $local_requests{$id} or return;
  # The time of a pause does not count.
  if (length $response) { @$request{'response', 'answered', 'since'} = ($response, 1, time) }
  else { delete $local_requests{$id} }
  () }

# What another host was asked is not answered any more.
sub forget_local_requests { %local_requests = () }
