#!/usr/bin/python3
"""health.py SERVER CLIENT FAULTS_LIBRARY WORK_DIRECTORY

The health names and the probes through every state of a server, as Check tells them and as a Watch that was open all the
time: loading, serving, out of memory, out of disk, a snapshot overdue, a failed disk, stopping.
"""
import os
import queue
import subprocess
import sys
import threading

from observed_server import BOUND_SECONDS, NOT_SERVING, SERVING, Server, wait_until

server_binary, client_binary, faults_library, work = sys.argv[1:5]

SERVES = ("", "kvstore.KeyValueStore", "kvstore.v1.KeyValueService")
WRITES, PERSISTENCE = "kvstore.writes", "kvstore.persistence"
NAMES = SERVES + (WRITES, PERSISTENCE)


class Watch:
    """One open Watch: what it tells must be what next() expects, each change once."""

    def __init__(self, server, name):
        self.name, self.told = name, queue.Queue()
        self.stream = server.watch(name)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for state in self.stream:
                self.told.put(state)
            self.told.put("end")
        except Exception as ended:  # the status of the stream
            self.told.put(ended.details())

    def next(self, wanted):
        told = self.told.get(timeout=BOUND_SECONDS)
        if isinstance(wanted, str):
            assert wanted in str(told), f"{self.name}: {told}, not {wanted}"
        else:
            assert told == wanted, f"{self.name}: {told}, not {wanted}"

    def silent(self):
        assert self.told.empty(), f"{self.name} told of a change that was none: {self.told.get()}"


def client(server, *words):
    environment = dict(os.environ, KVSTORE_TARGET=server.address)
    return subprocess.run([client_binary, *words], env=environment, capture_output=True, text=True, check=False)


def states(server, **not_serving):
    """Check of every name: SERVING but for those that are named."""
    for name in NAMES:
        bad = not_serving.get(name.removeprefix("kvstore.").replace(".", "_"), False)
        wanted = NOT_SERVING if bad else SERVING
        wait_until(f"{name or 'the server'} is {wanted}", lambda name=name, wanted=wanted: server.health(name) == wanted)


def loading(server):
    server.fault("sync_hangs", True)  # of the MANIFEST that a start writes
    server.start(serves=False)
    server.connect(server.unix)
    wait_until("the server listens", lambda: server.health() == NOT_SERVING)
    for name in NAMES:
        assert server.health(name) == NOT_SERVING, name
    assert server.page("/readyz")[0] == 503
    assert server.page("/livez")[0] == 200
    assert server.page("/metrics")[0] == 200
    assert "LOADING" in server.get("key")
    watches = {name: Watch(server, name) for name in NAMES}
    for watch in watches.values():
        watch.next(NOT_SERVING)
    server.fault("sync_hangs", False)
    server.wait_for_line("serving on")
    for watch in watches.values():
        watch.next(SERVING)
    states(server)
    assert server.page("/readyz")[0] == 200
    assert server.health("no.such.Service").startswith("NOT_FOUND")
    return watches


def out_of_memory(server, watches):
    client(server, "config", "set", "max-memory=1MiB")
    for n in range(20):
        server.set(f"big{n}", b"b" * 100_000)
    watches[WRITES].next(NOT_SERVING)
    states(server, writes=True)
    assert server.page("/readyz")[0] == 200, "reads go on"
    client(server, "config", "set", "max-memory=auto")
    watches[WRITES].next(SERVING)
    states(server)


def out_of_disk(server, watches):
    server.fault("no_space", True)
    writer = threading.Thread(target=lambda: [server.set(f"fill{n}", b"f" * 500_000) for n in range(100)])
    writer.start()
    watches[WRITES].next(NOT_SERVING)
    assert server.health() == SERVING
    server.fault("no_space", False)
    watches[WRITES].next(SERVING)
    writer.join()
    states(server)


def snapshot_overdue(server, watches):
    # A failed snapshot alone breaks no promise: the one before counts until it is two intervals old.
    client(server, "config", "set", "snapshot-interval=2s", "snapshot-min-changes=0")
    server.fault("no_space", True)
    assert client(server, "snapshot").returncode != 0
    watches[PERSISTENCE].next(NOT_SERVING)
    assert server.health(PERSISTENCE) == NOT_SERVING
    for name in SERVES:
        assert server.health(name) == SERVING, name
    server.fault("no_space", False)
    watches[PERSISTENCE].next(SERVING)
    client(server, "config", "set", "snapshot-interval=1h")
    wait_until("writes again", lambda: server.health(WRITES) == SERVING)


def snapshot_hangs(server, watches):
    # Nothing has failed, and yet what changed is in no snapshot.
    client(server, "config", "set", "snapshot-interval=1s", "snapshot-min-changes=1")
    server.fault("child_sync_hangs", True)
    assert server.set("uncovered") == b""
    watches[PERSISTENCE].next(NOT_SERVING)
    assert server.health(WRITES) == SERVING
    server.fault("child_sync_hangs", False)
    watches[PERSISTENCE].next(SERVING)
    # Without a change none is owed, however long that lasts.
    client(server, "config", "set", "snapshot-interval=1h")


def disk_stalled(server, watches):
    server.fault("sync_hangs", True)
    writer = threading.Thread(target=server.set, args=("waits",))
    writer.start()
    watches[WRITES].next(NOT_SERVING)
    watches[PERSISTENCE].next(NOT_SERVING)
    for name in SERVES:
        assert server.health(name) == SERVING, name
    server.wait_for_line("the disk of the log has not answered for 5 s")
    server.fault("sync_hangs", False)
    watches[WRITES].next(SERVING)
    watches[PERSISTENCE].next(SERVING)
    writer.join()
    states(server)


def disk_failed(server, watches):
    server.fault("sync_fails", True)
    assert "OUTCOME_UNKNOWN" in server.set("in doubt")
    server.fault("sync_fails", False)
    watches[PERSISTENCE].next(NOT_SERVING)
    states(server, writes=True, persistence=True)
    assert server.page("/readyz")[0] == 200, "reads go on, and a restart is the operator's to decide"


def stopping(server):
    states(server)
    watches = {name: Watch(server, name) for name in NAMES}
    for watch in watches.values():
        watch.next(SERVING)
    server.fault("sync_hangs", True)
    writer = threading.Thread(target=server.set, args=("held",))
    writer.start()
    wait_until("the sync hangs", lambda: os.path.exists(os.path.join(server.faults, "delivered")))
    server.process.terminate()
    for watch in watches.values():
        watch.next(NOT_SERVING)
        watch.next("SHUTTING_DOWN")
    assert server.page("/readyz")[0] == 503
    assert server.page("/livez")[0] == 200
    server.fault("sync_hangs", False)
    writer.join()
    assert server.process.wait(BOUND_SECONDS) == 0


def main():
    with Server(server_binary, work, faults_library, "--log-segment-size", "1MiB", "--stop-timeout", "60s") as server:
        server.unix = "unix:" + os.path.join(server.folder, "socket")
        server.flags += ["--listen", server.unix]
        watches = loading(server)
        out_of_memory(server, watches)
        out_of_disk(server, watches)
        snapshot_overdue(server, watches)
        snapshot_hangs(server, watches)
        disk_stalled(server, watches)
        disk_failed(server, watches)
        for name in SERVES:
            watches[name].silent()
        assert server.stop() == 6
        os.remove(os.path.join(server.faults, "delivered"))
        server.start()
        stopping(server)
    print("health is truthful in every state")


main()
