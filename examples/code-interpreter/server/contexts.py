"""Where code runs: each context has a language, a directory, and a kernel that keeps what runs have left."""

import json
import os
import threading
import urllib.request
import uuid

from kernel import COMMANDS, Kernel

NAMES = {"js": "javascript", "node": "javascript", "py": "python", "python3": "python", "sh": "bash"}
MOST_CONTEXTS = 32
ENVD = "http://localhost:49983/envs"


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Context:
    def __init__(self, language, cwd):
        self.id = str(uuid.uuid4())
        self.language = language
        self.cwd = cwd
        self.executions = 0
        self.turn = threading.Lock()
        self.kernel = None

    def describe(self):
        return {"id": self.id, "language": self.language, "cwd": self.cwd}

    def execute(self, code, envs, token, caller_left):
        """Yields what comes of a run; runs of a context wait for each other."""
        while not self.turn.acquire(timeout=0.25):
            if caller_left():
                return
        try:
            if self.kernel is None or not self.kernel.alive:
                self._stop()
                self.kernel = Kernel(self.language, self.cwd, sandbox_envs(token))
            self.executions += 1
            yield {"type": "number_of_executions", "execution_count": self.executions}
            yield from self.kernel.run(code, envs, self.executions, caller_left)
            yield {"type": "end_of_execution"}
        finally:
            self.turn.release()

    def restart(self):
        # A run that is under way sees its kernel end.
        if self.kernel is not None:
            self.kernel.end()
        with self.turn:
            self._stop()
            self.executions = 0

    def _stop(self):
        if self.kernel is not None:
            self.kernel.close()
            self.kernel = None


def sandbox_envs(token):
    """The sandbox's variables as they are now, which may be others than when this server was started."""
    request = urllib.request.Request(ENVD, headers={"X-Access-Token": token or ""})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=5) as response:
            return {name: str(value) for name, value in json.load(response).items()}
    except (OSError, ValueError):
        # Without envd inside, or without its token: those that this server was started with.
        return {}


class Contexts:
    def __init__(self):
        self._contexts = {}
        self._defaults = {}
        self._lock = threading.Lock()

    def create(self, language=None, cwd=None):
        with self._lock:
            return self._create(language, cwd)

    def default(self, language):
        """The context of runs that name none."""
        name = normalize(language)
        with self._lock:
            found = self._contexts.get(self._defaults.get(name))
            if found is None:
                found = self._create(name, None)
                self._defaults[name] = found.id
            return found

    def get(self, id):
        found = self._contexts.get(id)
        if found is None:
            raise Refusal(404, f"Context {id} not found")
        return found

    def list(self):
        return [context.describe() for context in list(self._contexts.values())]

    def remove(self, id):
        context = self.get(id)
        with self._lock:
            self._contexts.pop(id, None)
        context.restart()

    def _create(self, language, cwd):
        if len(self._contexts) >= MOST_CONTEXTS:
            raise Refusal(429, f"There are {MOST_CONTEXTS} contexts, which is the most there may be: remove one.")
        cwd = cwd or os.environ.get("HOME", "/")
        if not os.path.isdir(cwd):
            raise Refusal(400, f"cwd: {cwd} is not a directory")
        context = Context(normalize(language), cwd)
        self._contexts[context.id] = context
        return context


def normalize(language):
    name = (language or "python").lower()
    name = NAMES.get(name, name)
    if name not in COMMANDS:
        raise Refusal(400, f"language: {language} is not among {', '.join(COMMANDS)}")
    return name
