"""Servers that a part of the comparison needs, as child processes: ours, the empty one, redis-server, etcd.

Each is started on loopback, on a free port, with data of its own; awaited by what it says; and gone at the end of its
`with`. None outlives this program, however that ends.
"""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 600  # seconds; a load of many keys takes its time
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Unavailable(Exception):
    """This machine cannot do it, and nothing is wrong."""


ENDING = {signal.SIGTERM, signal.SIGINT}


@contextlib.contextmanager
def undisturbed():
    """A signal that ends us waits meanwhile. Popen.poll() and wait() hold a lock that they would keep if they were left at the wrong
    moment, and whoever stops the process then would wait for ever."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ended(child):
    with undisturbed():
        return child.poll() is not None


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def plain_environment():
    """Without what would change a server's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KVSTORE_")}


class Process:
    """A server that serves; `target` is HOST:PORT."""

    running = set()  # also those that no `with` has yet

    def __init__(self, command, log, ends_well=True):
        self.log, self.ends_well = log, ends_well
        self.file = open(log, "wb")
        self.began = time.monotonic()
        # A signal that ends us waits until what it must stop is known.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            self.child = subprocess.Popen(command, stdout=self.file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                          env=plain_environment(), preexec_fn=die_with_parent, start_new_session=True)
            Process.running.add(self)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None and self.ends_well and self.child.returncode != 0:
            raise RuntimeError(f"{self.child.args[0]} ended with {self.child.returncode}\n{self.said()[-2000:]}")

    def stop(self):
        with undisturbed():
            if self.child.poll() is None:
                self.child.send_signal(signal.SIGTERM)
                try:
                    self.child.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    self.child.kill()
                    self.child.wait()
        self.file.close()
        Process.running.discard(self)

    def said(self):
        return Path(self.log).read_text(errors="replace")

    def failed(self, why):
        self.stop()
        return RuntimeError(f"{self.child.args[0]}: {why}\n{self.said()[-2000:]}")

    def wait_for_line(self, text):
        """The rest of the first log line with `text`, and how long that took since the start."""
        with open(self.log, errors="replace") as lines:
            so_far = ""
            while time.monotonic() - self.began < PATIENCE:
                so_far += lines.readline()
                if not so_far.endswith("\n"):
                    if ended(self.child):
                        raise self.failed("ended before it served")
                    time.sleep(0.002)  # A log file wakes nobody.
                    continue
                if text in so_far:
                    self.seconds_to_serve = time.monotonic() - self.began
                    return so_far.split(text, 1)[1].strip()
                so_far = ""
        raise self.failed(f"did not say '{text}' in {PATIENCE} s")

    def cpu_seconds(self):
        """By the same clock as kvstore_bench: the kernel's of that process."""
        clock = ctypes.c_int()
        if failed := LIBC.clock_getcpuclockid(self.pid, ctypes.byref(clock)):
            raise self.failed(f"has no clock of its CPU time: {os.strerror(failed)}")
        return time.clock_gettime_ns(clock.value) / 1e9

    def cpu_parts(self):
        """Seconds in the program, and in the kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return [int(each) / os.sysconf("SC_CLK_TCK") for each in fields[11:13]]

    def resident_bytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise self.failed("has no memory")


class Machine:
    """Where programs and data are, and how servers are started there. Used by `with`: at its end nothing is left."""

    def __init__(self, programs, work):
        self.programs, self.work = programs, work
        self.count = 0

    def __enter__(self):
        self.clear()
        return self

    def __exit__(self, *_):
        for process in list(Process.running):
            process.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def clear(self):
        shutil.rmtree(self.work, ignore_errors=True)
        for kept in ("stays", "round"):
            (self.work / kept).mkdir(parents=True)

    def end_round(self):
        """Nothing of a round is left, and nothing that the kernel would write during the next one, but folders that stay."""
        shutil.rmtree(self.work / "round", ignore_errors=True)
        (self.work / "round").mkdir()
        os.sync()

    def program(self, name):
        return str(self.programs / name)

    def folder(self, stays=False):
        """Gone at the end of the round, unless it stays."""
        self.count += 1
        made = self.work / ("stays" if stays else "round") / f"{self.count}"
        made.mkdir()
        return made

    def output(self, *command):
        """What a command prints; it must end well."""
        done = subprocess.run(command, capture_output=True, text=True, env=plain_environment(), preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def ours(self, mode="non_persistent", data=None, flags=()):
        data = data or self.folder()
        process = Process([self.program("server/kvstore_server"), "--listen", "127.0.0.1:0", "--mode", mode, "--data-dir",
                           str(data), *flags], f"{data}.log")
        process.target = process.wait_for_line("serving on ").split('"')[0].split()[0]
        return process

    def null(self, flags=(), log=False):
        """`log`: Set is answered when some bytes are on the disk."""
        if log:
            flags = (*flags, "--log", str(self.folder() / "log"))
        process = Process([self.program("bench/kvstore_null_server"), "--listen", "127.0.0.1:0", *flags],
                          f"{self.folder()}.log")
        process.target = process.wait_for_line("serving on ").split()[0]
        return process

    def redis(self, persistence="none", data=None):
        data = data or self.folder()
        port = free_port()
        process = Process(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", "",
                           "--appendonly", "no" if persistence == "none" else "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync",
                           persistence if persistence != "none" else "no"], f"{data}.log")
        process.wait_for_line("eady to accept connections")
        process.port = port
        process.target = f"127.0.0.1:{port}"
        return process

    def etcd(self):
        data = self.folder()
        client, peer = free_port(), free_port()
        # It ends by the signal that it was sent.
        process = Process(["etcd", "--data-dir", str(data), "--listen-client-urls", f"http://127.0.0.1:{client}",
                           "--advertise-client-urls", f"http://127.0.0.1:{client}", "--listen-peer-urls",
                           f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                           "--initial-cluster", f"default=http://127.0.0.1:{peer}"], f"{data}.log", ends_well=False)
        process.wait_for_line("ready to serve client requests")
        process.target = f"127.0.0.1:{client}"
        return process

    def syncing(self):
        """A process that does nothing but write 4 KiB and wait for the disk."""
        data = self.folder()
        process = Process([sys.executable, str(Path(__file__).with_name("neighbour.py")), "sync", str(data / "file")],
                          f"{data}.log", ends_well=False)
        process.wait_for_line("begun")
        return process

    def stepping_back(self, *words):
        """neighbour.py at the priorities that a snapshot's child gives itself."""
        process = Process(["ionice", "-c", "2", "-n", "7", "nice", "-n", "10", sys.executable,
                           str(Path(__file__).with_name("neighbour.py")), *words], f"{self.folder()}.log", ends_well=False)
        process.wait_for_line("begun")
        return process

    def computing(self):
        """A process that only computes."""
        return self.stepping_back("compute")

    def writing(self, file_bytes):
        """A process that writes a file of so many bytes with their checksum, over and over."""
        return self.stepping_back("write", str(self.folder() / "file"), str(file_bytes))

    def client(self, server, *words, before=()):
        """One command of kvstore_client; its output."""
        return self.output(*before, self.program("client/kvstore_client"), "--target", server.target, "--timeout", "300s", *words)

    def aside(self, server, *words):
        """The same, started where others measure: to begin a program takes longer than most calls."""
        return self.client(server, *words, before=("nice", "-n", "19"))

    def bare_sync_micros(self):
        """The median of a write of 4 KiB and its fdatasync, no server about."""
        done = self.output(self.program("tools/kvstore_tool"), "--output", "json", "disk-check", str(self.folder()))
        return float(json.loads(done)["append"]["p50_us"])

    def filesystem(self):
        return self.output("df", "--output=fstype", str(self.work)).split()[-1]
