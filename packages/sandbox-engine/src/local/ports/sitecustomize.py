# What node-port-script.ts does, for Python, as its `sitecustomize`: `bind` takes a free loopback port, `listen` announces it under the port
# that was asked for, `connect` follows announcements. Servers whose sockets are not Python's own (uvloop) are not
# caught. A socket for IPv6 alone is moved out of the way and not announced: those who bind one bind one for IPv4, too.

import os
import sys


def remap_ports(directory):
    import atexit
    import errno
    import socket
    import weakref

    anywhere = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"}
    families = (socket.AF_INET, socket.AF_INET6)
    names = weakref.WeakKeyDictionary()
    bind, listen = socket.socket.bind, socket.socket.listen
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getsockname = socket.socket.getsockname

    def read(port):
        try:
            with open(f"{directory}/{port}") as file:
                real, pid = map(int, file.read().split())
            os.kill(pid, 0)
            return real, pid
        except (OSError, ValueError):
            return None

    def is_ours(sock, address):
        return (
            sock.type == socket.SOCK_STREAM
            and sock.family in families
            and isinstance(address, tuple)
            and address[0] in anywhere
            and address[1] > 0
        )

    def is_ipv6_only(sock):
        return sock.family == socket.AF_INET6 and sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)

    def loopback(sock):
        if sock.family == socket.AF_INET:
            return "127.0.0.1"
        return "::1" if is_ipv6_only(sock) else "::ffff:127.0.0.1"

    def new_bind(self, address):
        if not is_ours(self, address):
            return bind(self, address)
        port = address[1]
        holder = read(port)
        if holder and holder[1] != os.getpid():
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        bind(self, (loopback(self), 0))
        names[self] = port

    def withdraw(path, pid):
        if os.getpid() == pid:
            try:
                os.unlink(path)
            except OSError:
                pass

    def new_listen(self, *args):
        listen(self, *args)
        port = names.get(self)
        if port is None or is_ipv6_only(self):
            return
        pid = os.getpid()
        path = f"{directory}/{port}"
        with open(f"{path}.{pid}", "w") as file:
            file.write(f"{getsockname(self)[1]} {pid}")
        os.replace(f"{path}.{pid}", path)
        atexit.register(withdraw, path, pid)

    def led(sock, address):
        target = read(address[1]) if is_ours(sock, address) else None
        if not target:
            return address
        return ("127.0.0.1" if sock.family == socket.AF_INET else "::ffff:127.0.0.1", target[0])

    def new_getsockname(self):
        name = getsockname(self)
        port = names.get(self)
        return name if port is None else (name[0], port, *name[2:])

    socket.socket.bind = new_bind
    socket.socket.listen = new_listen
    socket.socket.connect = lambda self, address: connect(self, led(self, address))
    socket.socket.connect_ex = lambda self, address: connect_ex(self, led(self, address))
    socket.socket.getsockname = new_getsockname


if os.environ.get("SANDPIPER_PORTS"):
    remap_ports(os.environ["SANDPIPER_PORTS"])

# A sitecustomize of the machine's own still has its turn.
sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
ours = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
    # There is none. Whatever imports this one looks for it here when it has run.
    sys.modules["sitecustomize"] = ours
