"""A process that runs cells of one language, and what comes of one."""

import base64
import json
import os
import select
import signal
import subprocess
import time
from codecs import getincrementaldecoder

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernels")
COMMANDS = {
    "python": ["python3", os.path.join(HERE, "python_kernel.py")],
    "javascript": ["node", os.path.join(HERE, "javascript_kernel.cjs")],
    "bash": ["bash", os.path.join(HERE, "bash_kernel.sh")],
}
# A cell that was interrupted has so long to end by itself.
PATIENCE_SECONDS = 3


class Kernel:
    def __init__(self, language, cwd, envs):
        self.language = language
        (theirs_in, self.requests), (self.messages, theirs_out) = os.pipe(), os.pipe()

        def place():
            # At 3 and 4, whatever numbers they have here.
            copies = [os.dup(theirs_in), os.dup(theirs_out)]
            high = [os.dup2(copy, 64 + index) for index, copy in enumerate(copies)]
            for index, copy in enumerate(high):
                os.dup2(copy, 3 + index, inheritable=True)

        figures = {"MPLBACKEND": "module://figures", "PYTHONPATH": HERE}
        self.process = subprocess.Popen(
            COMMANDS[language],
            cwd=cwd,
            env={**os.environ, **(figures if language == "python" else {}), **envs},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=place,
            pass_fds=(3, 4),
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.outputs = {
            self.process.stdout.fileno(): "stdout",
            self.process.stderr.fileno(): "stderr",
        }
        for descriptor in self.outputs:
            os.set_blocking(descriptor, False)
        self.pending = b""

    @property
    def alive(self):
        return self.process.poll() is None

    def run(self, code, envs, number, caller_left):
        """Yields messages until the cell has ended; interrupts it when its caller has left."""
        self._ask(code, envs, number)
        decoders = {name: getincrementaldecoder("utf-8")("replace") for name in self.outputs.values()}
        interrupted_at = None
        while True:
            ready, _, _ = select.select([*self.outputs, self.messages], [], [], 0.25)
            yield from self._read_outputs(decoders)
            for message in self._read_messages() if self.messages in ready else []:
                if message["type"] == "end":
                    # All that it wrote before is in the pipes by now.
                    yield from self._read_outputs(decoders)
                    return
                yield from self._explain(message)
            if not self.alive:
                yield from self._read_outputs(decoders)
                said = f"The {self.language} kernel has ended (status {self.process.returncode}); its variables are lost."
                yield {"type": "error", "name": "KernelEnded", "value": said, "traceback": said}
                return
            if interrupted_at is None and caller_left():
                interrupted_at = time.monotonic()
                self._signal(signal.SIGINT)
            elif interrupted_at is not None and time.monotonic() - interrupted_at > PATIENCE_SECONDS:
                self.end()

    def end(self):
        self._signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.end()
        self.process.stdout.close()
        self.process.stderr.close()
        os.close(self.requests)
        os.close(self.messages)

    def _ask(self, code, envs, number):
        if self.language == "bash":
            pairs = "".join(f"{name}={value}\0" for name, value in envs.items())
            line = " ".join(base64.b64encode(text.encode()).decode() or "=" for text in (pairs, code))
        else:
            line = json.dumps({"code": code, "envs": envs, "number": number})
        rest = (line + "\n").encode()
        try:
            while rest:
                rest = rest[os.write(self.requests, rest) :]
        except BrokenPipeError:
            # It has ended meanwhile, which is seen by those who wait for it.
            pass

    def _read_outputs(self, decoders):
        for descriptor, name in list(self.outputs.items()):
            while True:
                try:
                    data = os.read(descriptor, 65536)
                except BlockingIOError:
                    break
                if not data:
                    # Closed: it would always be ready.
                    del self.outputs[descriptor]
                    break
                text = decoders[name].decode(data)
                if text:
                    yield {"type": name, "text": text, "timestamp": int(time.time() * 1e9)}
                # A cell that writes without an end is looked at in between.
                if len(data) < 65536:
                    break

    def _read_messages(self):
        data = os.read(self.messages, 65536)
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _explain(self, message):
        if message["type"] != "status":
            yield message
        elif message["status"]:
            said = f"exit status {message['status']}"
            yield {"type": "error", "name": "ExitStatus", "value": said, "traceback": said}

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass
