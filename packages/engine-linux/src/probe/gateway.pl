# Says the address of the default gateway, if it has one.

open(my $routes, '<', '/proc/net/route') or exit;
while (<$routes>) { my @field = split; print join('.', unpack('C4', pack('L', hex $field[2]))) if $field[1] eq '00000000' }
