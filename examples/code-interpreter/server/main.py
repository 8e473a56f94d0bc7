"""Speaks what E2B's code interpreter SDK asks on port 49999: runs as lines of JSON, and contexts."""

import json
import select
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from contexts import Contexts, Refusal

PORT = 49999
MOST_BYTES = 16 * 2**20
contexts = Contexts()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._route({("health",): lambda: self._send(200, "OK"), ("contexts",): self._list})

    def do_POST(self):
        self._route(
            {
                ("execute",): self._execute,
                ("contexts",): self._create,
                ("contexts", "*", "restart"): self._restart,
            }
        )

    def do_DELETE(self):
        self._route({("contexts", "*"): self._remove})

    def _route(self, routes):
        path = self.path.split("?")[0].strip("/").split("/")
        try:
            self.body = self._read_body()
            for pattern, handle in routes.items():
                if len(pattern) == len(path) and all(one in ("*", given) for one, given in zip(pattern, path)):
                    return handle(*(given for one, given in zip(pattern, path) if one == "*"))
            raise Refusal(404, f"{self.command} {self.path} not found")
        except Refusal as refusal:
            self._send(refusal.status, str(refusal))

    def _read_body(self):
        try:
            length = int(self.headers.get("content-length", 0))
        except ValueError:
            length = MOST_BYTES + 1
        if length > MOST_BYTES or "transfer-encoding" in self.headers:
            self.close_connection = True
            raise Refusal(413, f"A request needs a content-length of at most {MOST_BYTES}")
        text = self.rfile.read(length)
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refusal(400, "The body is not a JSON object")
        return body

    def _given(self, name, kind, default=None):
        value = self.body.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise Refusal(400, f"{name}: expected {kind.__name__}")
        return value

    def _execute(self):
        code = self._given("code", str)
        if code is None:
            raise Refusal(400, "code is missing")
        envs = {str(name): str(value) for name, value in self._given("env_vars", dict, {}).items()}
        context_id, language = self._given("context_id", str), self._given("language", str)
        if context_id and language:
            raise Refusal(400, "Only one of context_id and language can be given")
        context = contexts.get(context_id) if context_id else contexts.default(language)
        token = self.headers.get("x-access-token")
        # The end of the response is the end of the connection: a cut one has no `end_of_execution`.
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("cache-control", "no-store")
        self.send_header("x-accel-buffering", "no")
        self.send_header("connection", "close")
        self.end_headers()
        left = False
        for message in context.execute(code, envs, token, lambda: left or self._caller_left()):
            if left:
                # Taken to its end, so that the next run finds the kernel at rest.
                continue
            try:
                # ASCII only: no character is ever split between two chunks.
                self.wfile.write(json.dumps(message).encode() + b"\n")
            except OSError:
                left = True

    def _caller_left(self):
        ready, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _create(self):
        self._send(200, contexts.create(self._given("language", str), self._given("cwd", str)).describe())

    def _list(self):
        self._send(200, contexts.list())

    def _restart(self, id):
        contexts.get(id).restart()
        self._send(200, {})

    def _remove(self, id):
        contexts.remove(id)
        self._send(204, "")

    def _send(self, status, body):
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
