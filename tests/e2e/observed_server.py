"""A built server as somebody watches it: its metrics and probes over HTTP, its health, calls without generated code, and
a disk that fails when the test says so (tests/support/faults)."""
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc

BOUND_SECONDS = 60
SERVING, NOT_SERVING = 1, 2


def field(number, payload):
    """A field of bytes, as protobuf writes it."""
    size, prefix = len(payload), b""
    while size >= 0x80:
        prefix += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + prefix + bytes([size]) + payload


def wait_until(what, seen):
    """Until seen() gives something true, which it returns. Asks again and again: what is awaited shows nowhere else."""
    end = time.monotonic() + BOUND_SECONDS
    while True:
        value = seen()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {BOUND_SECONDS} s in vain: {what}")
        time.sleep(0.01)


class Server:
    def __init__(self, binary, work, faults_library, *flags):
        os.makedirs(work, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="observed-", dir=work)
        self.data = os.path.join(self.folder, "data")
        self.faults = os.path.join(self.folder, "faults")
        os.mkdir(self.faults)
        self.binary, self.flags, self.library = binary, list(flags), faults_library
        self.process = None
        self.channel = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        if kind is not None:
            print("".join(self.log))
        shutil.rmtree(self.folder)

    def start(self, serves=True):
        """With serves=False it returns as soon as the server listens."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KVSTORE_")}
        environment.update(LD_PRELOAD=self.library, KV_FAULTS=self.faults)
        listen = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", self.data]
        self.log, self.changed = [], threading.Condition()
        self.process = subprocess.Popen([self.binary, *listen, *self.flags], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", env=environment)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.http = int(self.wait_for_line(r"metrics and probes on port (\d+)"))
        if serves:
            self.connect(self.wait_for_line(r'serving on ([^\s,"]+)'))

    def connect(self, address):
        self.address = address
        self.channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.log.append(line)
                self.changed.notify_all()
        with self.changed:
            self.log.append("")
            self.changed.notify_all()

    def wait_for_line(self, pattern):
        def found():
            for line in self.log:
                match = re.search(pattern, line)
                if match:
                    return match.group(1) if match.groups() else line
            return None

        with self.changed:
            if not self.changed.wait_for(found, BOUND_SECONDS):
                raise AssertionError(f"no line {pattern} in the log:\n{''.join(self.log)}")
            return found()

    def stop(self):
        self.process.terminate()
        return self.process.wait(BOUND_SECONDS)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def fault(self, name, on):
        path = os.path.join(self.faults, name)
        if on:
            open(path, "w", encoding="ascii").close()
        else:
            os.remove(path)

    def page(self, path):
        """Status and text."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=BOUND_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metrics(self):
        """{'name{labels}': value}, without "kvstore_"."""
        status, text = self.page("/metrics")
        assert status == 200, text
        figures = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                figures[name.removeprefix("kvstore_")] = float(value)
        return figures

    def call(self, method, request, timeout=BOUND_SECONDS):
        """The answer's bytes, or "CODE text" of a refusal."""
        try:
            return self.channel.unary_unary("/" + method)(request, timeout=timeout)
        except grpc.RpcError as refused:
            return f"{refused.code().name} {refused.details()}"

    def set(self, key, value=b"value"):
        return self.call("kvstore.KeyValueStore/Set", field(1, key.encode()) + field(2, value))

    def get(self, key):
        return self.call("kvstore.KeyValueStore/Get", field(1, key.encode()))

    def health(self, name=""):
        """SERVING, NOT_SERVING, or why there is neither."""
        answer = self.call("grpc.health.v1.Health/Check", field(1, name.encode()))
        return answer[1] if isinstance(answer, bytes) else answer

    def watch(self, name):
        """What a Watch of the name tells, one after the other; it ends with the server."""
        stream = self.channel.unary_stream("/grpc.health.v1.Health/Watch")(field(1, name.encode()))
        return (message[1] for message in stream)
