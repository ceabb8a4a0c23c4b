#!/usr/bin/python3
"""metrics.py SERVER CLIENT FAULTS_LIBRARY WORK_DIRECTORY SOURCE_DIRECTORY

Each metric of the server is provoked here and seen to move, for each value of its labels; one that nothing here has moved
is an error, so a new one needs a line of its own. Then promtool judges the exposition and the alert rules, and every metric that rules, dashboard
and docs/operations.md name must be one that the server shows, and so must every label and its value.
"""
import glob
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc

from observed_server import BOUND_SECONDS, Server, field, wait_until

server_binary, client_binary, faults_library, work, source = sys.argv[1:6]
operations = os.path.join(source, "docs", "operations")

# Moved where it can be: the watchdog waits 30 s (tests/persistence), and a place stays split where there is no free
# huge page (tests/heap).
NOT_MOVED = {'snapshot_failures_total{cause="watchdog"}', 'huge_pages{state="split"}'}
# Any method and any code may be a label of these; build_info is always 1.
OF_ANY_LABEL = {"rpc_requests_total", "rpc_duration_seconds"}
CONSTANT = {"build_info"}

shown = {}  # families by name, with their type
figures = set()  # what is to be moved
moved = set()
texts = []  # one of each exposition


def family_of(sample):
    name = sample.split("{")[0]
    for ending in ("_bucket", "_count", "_sum"):
        if name.endswith(ending) and shown.get(name.removesuffix(ending)) == "histogram":
            return name.removesuffix(ending)
    return name


def figure_of(sample):
    """What must be moved: a family with one value for each of its labels. A histogram is one figure."""
    family = family_of(sample)
    if family in OF_ANY_LABEL or "{" not in sample:
        return family
    labels = [label for label in sample.split("{")[1].rstrip("}").split(",") if not label.startswith("le=")]
    return family + ("{" + ",".join(labels) + "}" if labels else "")


def look(server):
    _, text = server.page("/metrics")
    texts.append(text)
    for name, kind in re.findall(r"^# TYPE kvstore_(\S+) (\S+)", text, re.MULTILINE):
        shown[name] = kind
    now = server.metrics()
    figures.update(figure_of(sample) for sample in now if family_of(sample) not in CONSTANT)
    return now


def expect(server, sample, judge, what):
    """Waits until the sample's figure is as judge(figure) wants it, and counts it as moved."""
    def seen():
        figure = server.metrics().get(sample)
        return figure is not None and judge(figure)
    wait_until(f"{sample}: {what}", seen)
    moved.add(figure_of(sample))


def more_than(figure):
    return lambda now: now > figure


def is_(figure):
    return lambda now: now == figure


def client(server, *words, fails=False):
    environment = dict(os.environ, KVSTORE_TARGET=server.address)
    done = subprocess.run([client_binary, *words], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def calls_and_writes(server):
    before = look(server)
    for n in range(200):
        assert server.set(f"key{n}", b"v" * 200) == b""
    assert server.get("key1") == field(1, b"v" * 200)
    # What a refused call counts as.
    assert server.set("").startswith("INVALID_ARGUMENT")
    of_set = '{method="kvstore.KeyValueStore/Set"'
    expect(server, f'rpc_requests_total{of_set},code="OK"}}', is_(200), "200 writes")
    expect(server, f'rpc_requests_total{of_set},code="INVALID_ARGUMENT"}}', is_(1), "one refused")
    expect(server, f"rpc_duration_seconds_count{of_set}}}", is_(201), "all of them")
    expect(server, f"rpc_duration_seconds_sum{of_set}}}", more_than(0), "they took time")
    for stage, calls in (("disk", 1), ("exec", 202), ("send", 202)):  # a sync may be over before its write waits
        expect(server, f'rpc_stage_seconds_count{{stage="{stage}"}}', more_than(calls - 1), f"{calls} calls")
    expect(server, "keys", is_(200), "200 keys")
    expect(server, 'memory_bytes{kind="data"}', more_than(200 * 200), "keys and values")
    for sample in ('memory_bytes{kind="overhead"}', 'revision{level="applied"}', 'revision{level="os"}',
                   'revision{level="disk"}', "log_bytes", "log_fsyncs_total", "log_batches_total",
                   "log_fsync_seconds_count", "log_fsync_seconds_sum", "log_group_size_count", "connections",
                   "connections_accepted_total", 'memory_bytes{kind="allocator"}'):
        expect(server, sample, more_than(0 if "allocator" in sample else before[sample]), "it grows with writes")
    assert server.metrics()["log_group_size_sum"] == 200
    assert server.metrics()['rpc_stage_seconds_count{stage="queue"}'] < 200, "the log had room for most of them"
    # The ratio is that since the last look: while nothing but calls is going on, then while nothing is.
    end = time.monotonic() + 1.1
    while time.monotonic() < end:
        server.get("key1")
    expect(server, 'completion_queue_busy_ratio{queue="0"}', lambda ratio: 0.001 < ratio <= 1, "a poller with much to do")
    busy = server.metrics()['completion_queue_busy_ratio{queue="0"}']
    expect(server, 'completion_queue_busy_ratio{queue="0"}', lambda ratio: ratio < busy / 2, "one with nothing to do")


def expiries(server):
    client(server, "set", "short", "life")
    client(server, "expire", "short", "1h")
    expect(server, "expiring_keys", is_(1), "a key with an expiry")
    client(server, "expire", "short", "20ms")
    expect(server, "expired_total", is_(1), "its time has come")
    expect(server, "expiry_lateness_seconds_count", is_(1), "so late")
    expect(server, "expiring_keys", is_(0), "it is gone")


def snapshots(server):
    before = server.metrics()
    assert "snapshot_last_success" not in before, "before the first there is nothing to tell"
    assert "snapshot_copied_bytes" not in before and before["snapshot_pause_seconds"] == 0
    assert before['memory_bytes{kind="snapshot"}'] == 0
    server.fault("child_sync_hangs", True)
    taken = threading.Thread(target=client, args=(server, "snapshot"))
    taken.start()
    expect(server, 'memory_bytes{kind="snapshot"}', more_than(0), "the child has pages of its own")
    server.fault("child_sync_hangs", False)
    taken.join()
    expect(server, 'memory_bytes{kind="snapshot"}', is_(0), "it is gone")
    expect(server, 'snapshots_total{result="taken"}', is_(1), "one was taken")
    expect(server, "snapshot_seconds", more_than(0), "it took time")
    expect(server, "snapshot_last_success", is_(1), "it counts")
    expect(server, "snapshot_last_time_seconds", more_than(1e9), "a time")
    expect(server, 'revision{level="snapshot"}', more_than(200), "what it holds")
    expect(server, "snapshot_pause_seconds", more_than(0), "the fork kept somebody waiting")
    expect(server, "snapshot_copied_bytes", more_than(0), "the child had pages of its own at its end")
    age = server.metrics()["snapshot_age_seconds"]
    expect(server, "snapshot_age_seconds", more_than(age), "it grows")
    expect(server, "slow_requests_total", more_than(0), "a snapshot takes longer than 1ms")


def data_heap(server):
    before = server.metrics()["heap_held_bytes"]
    for n in range(30):
        assert server.set(f"large{n}", b"l" * 300_000) == b""
    expect(server, "heap_held_bytes", more_than(before + 30 * 300_000 - (4 << 20)), "9 MB lie in it, in places of 2 MiB")


def memory(server):
    before = server.metrics()
    client(server, "config", "set", "max-memory=1MiB")
    expect(server, "memory_limit_bytes", is_(1 << 20), "the new limit")
    answers = [server.set(f"big{n}", b"b" * 100_000) for n in range(20)]
    assert any("MEMORY_LIMIT" in str(answer) for answer in answers), answers
    expect(server, 'alarms{name="memory_limit"}', is_(1), "raised")
    expect(server, "writes_accepted", is_(0), "and writes are refused")
    client(server, "config", "set", "max-memory=auto")
    expect(server, 'alarms{name="memory_limit"}', is_(0), "it clears itself")
    expect(server, "writes_accepted", is_(1), "writes go on")
    expect(server, "memory_limit_bytes", is_(before["memory_limit_bytes"]), "as before")


def request_ids(server):
    before = server.metrics()["request_ids"]  # of what the command line wrote: it never writes without one
    request = field(1, b"once") + field(2, b"value") + field(6, field(2, bytes(16)))
    for _ in range(2):
        assert isinstance(server.call("kvstore.v1.KeyValueService/Set", request), bytes)
    expect(server, "request_ids", is_(before + 1), "one id more is remembered")
    expect(server, "requests_replayed_total", is_(1), "and the second call with it was answered from it")
    expect(server, 'memory_bytes{kind="requests"}', more_than(0), "what that takes")
    expect(server, "request_id_window_seconds", is_(120), "as --request-id-window says")


def hanging_disk(server):
    written = server.metrics()["log_batches_total"]
    server.fault("sync_hangs", True)
    writers = [threading.Thread(target=server.set, args=(f"queued{n}", b"q" * 1000)) for n in range(4)]
    writers[0].start()
    expect(server, "log_batches_total", more_than(written), "the first is written, and its sync hangs")
    for writer in writers[1:]:
        writer.start()
    expect(server, 'memory_bytes{kind="log_queue"}', more_than(999), "writes wait in the log's queue")
    expect(server, "log_disk_silence_seconds", more_than(0), "the disk owes an answer")
    expect(server, 'alarms{name="disk_stalled"}', is_(1), "raised after 5 s")
    server.fault("sync_hangs", False)
    for writer in writers:
        writer.join()
    expect(server, 'memory_bytes{kind="log_queue"}', is_(0), "the queue is empty")
    expect(server, 'alarms{name="disk_stalled"}', is_(0), "it clears itself")
    expect(server, "log_disk_silence_seconds", is_(0), "the disk answers")


def log_without_room(server):
    client(server, "config", "set", "fsync=never")
    waited = server.metrics()['rpc_stage_seconds_count{stage="queue"}']
    server.fault("sync_hangs", True)
    before = server.metrics()["log_bytes"]
    writer = threading.Thread(target=lambda: [server.set("fill", b"f" * 100_000) for _ in range(40)])
    writer.start()
    expect(server, "log_bytes", more_than(before + 500_000), "writes need no sync")
    wait_until("the segments are full and none can be prepared", lambda: writer_stands(server, writer))
    server.fault("sync_hangs", False)
    writer.join()
    expect(server, 'rpc_stage_seconds_count{stage="queue"}', more_than(waited), "one has waited for room in the log")
    client(server, "config", "set", "fsync=always")


def writer_stands(server, writer):
    assert writer.is_alive(), "40 writes of 100 kB had room in a log that cannot grow"
    written = server.metrics()["log_bytes"]
    time.sleep(0.3)  # nothing tells that something does not happen
    return server.metrics()["log_bytes"] == written


def calls_in_progress(server):
    before = server.metrics()
    expect(server, "in_flight_limit_bytes", is_(1 << 20), "as --max-bytes-in-flight says")
    server.fault("sync_hangs", True)
    writer = threading.Thread(target=server.set, args=("waits", b"w" * 20_000))
    writer.start()
    expect(server, 'memory_bytes{kind="in_flight"}', more_than(20_000), "a request whose write waits")
    server.fault("sync_hangs", False)
    writer.join()
    expect(server, 'memory_bytes{kind="in_flight"}', is_(before['memory_bytes{kind="in_flight"}']), "it is answered")


def huge_pages(server):
    """The last snapshot is over, and with it its child; what that has split is mended."""
    if any("(MADV_COLLAPSE" in line for line in server.log):
        NOT_MOVED.add('huge_pages{state="whole"}')
        print("   huge_pages cannot move: this system does not put huge pages together")
        return
    client(server, "snapshot")
    expect(server, 'huge_pages{state="whole"}', more_than(3), "9 MB of large values lie in places of 2 MiB")


def scans(server):
    expect(server, 'memory_bytes{kind="scans"}', is_(0), "nobody scans")
    with_values = bytes([4 << 3, 1])
    stream = server.channel.unary_stream("/kvstore.v1.KeyValueService/Scan")(with_values, timeout=BOUND_SECONDS)
    next(stream)  # and reads no further: 9 MB do not fit into what a connection holds
    for n in range(30):
        assert server.set(f"large{n}", b"m" * 300_000) == b""
    expect(server, 'memory_bytes{kind="scans"}', more_than(299_999), "values as they were when it began are kept for it")
    stream.cancel()
    expect(server, 'memory_bytes{kind="scans"}', is_(0), "it is gone")


def no_descriptors(server):
    """Connections take what is left below the highest descriptor that the server has, and it may have none above."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{server.process.pid}/fd")))
    host, port = server.address.rsplit(":", 1)
    taken = []
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    try:
        while True:
            taken.append(socket.create_connection((host, int(port)), timeout=BOUND_SECONDS))
            if taken[-1].recv(1) == b"":  # closed at once; one that is kept is greeted
                break
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for_line("no snapshot was taken: .*Too many open files")
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)
        for connection in taken:
            connection.close()
    expect(server, 'snapshot_failures_total{cause="prepare"}', is_(1), "it had no descriptor")
    expect(server, 'connections_refused_total{reason="descriptors"}', more_than(0), "and no connection could be had")


def held_snapshot(server, meanwhile):
    """A snapshot whose child has written all and syncs it; it fails after what meanwhile(child, file) does."""
    children = glob.glob(f"/proc/{server.process.pid}/task/*/children")

    def child():
        return "".join(open(path, encoding="ascii").read() for path in children).split()
    delivered = os.path.join(server.faults, "delivered")
    if os.path.exists(delivered):
        os.remove(delivered)
    server.fault("child_sync_hangs", True)
    taker = threading.Thread(target=client, args=(server, "snapshot"), kwargs={"fails": True})
    taker.start()
    wait_until("the child syncs", lambda: os.path.exists(delivered))
    [process], [file] = child(), glob.glob(os.path.join(server.data, "snapshots", "*.tmp"))
    meanwhile(int(process), file)
    server.fault("child_sync_hangs", False)
    taker.join()


def damage_end(_, file):
    with open(file, "r+b") as written:
        written.seek(-20, os.SEEK_END)
        byte = written.read(1)[0]
        written.seek(-20, os.SEEK_END)
        written.write(bytes([byte ^ 1]))


def snapshots_that_fail(server):
    held_snapshot(server, lambda child, _: os.kill(child, signal.SIGKILL))
    expect(server, 'snapshot_failures_total{cause="child"}', is_(1), "it was killed")
    held_snapshot(server, damage_end)
    expect(server, 'snapshot_failures_total{cause="mismatch"}', is_(1), "it does not read back")
    server.fault("fork_fails", True)
    client(server, "snapshot", fails=True)
    server.fault("fork_fails", False)
    expect(server, 'snapshot_failures_total{cause="fork"}', is_(1), "the system refused")
    client(server, "snapshot")


def recovery(server):
    server.kill()
    for segment in sorted(glob.glob(os.path.join(server.data, "aof", "*.aof")), reverse=True):
        with open(segment, "r+b") as file:
            used = len(file.read().rstrip(b"\0"))
            if used == 0:
                continue  # prepared, not begun
            file.seek((used + 7) // 8 * 8)
            file.write(b"half a batch that no server has written")
            break
    server.flags[server.flags.index("--request-id-window") + 1] = "3m"
    server.start()
    expect(server, "request_id_window_seconds", is_(180), "as it says now")
    expect(server, "recovery_discarded_bytes", more_than(0), "a torn tail was cut")
    expect(server, "recovery_seconds", more_than(0), "it took time")


def alarms_of_the_disk(server):
    client(server, "config", "set", "snapshot-interval=1s", "snapshot-min-changes=0")
    before = server.metrics()['snapshot_failures_total{cause="publish"}']
    server.fault("no_space", True)
    client(server, "snapshot", fails=True)
    expect(server, 'snapshots_total{result="failed"}', more_than(0), "no space for it")
    expect(server, 'snapshot_failures_total{cause="publish"}', more_than(before), "it was written, but MANIFEST could not be")
    expect(server, 'alarms{name="snapshot_failed"}', is_(1), "raised")
    expect(server, "snapshot_last_success", is_(0), "the last one failed")
    expect(server, 'alarms{name="snapshot_overdue"}', is_(1), "raised after two intervals")
    expect(server, "promise_kept", is_(0), "the promise is not kept")
    writer = threading.Thread(target=lambda: [server.set(f"fill{n}", b"f" * 500_000) for n in range(100)])
    writer.start()
    expect(server, 'alarms{name="disk_full"}', is_(1), "no space for the log")
    server.fault("no_space", False)
    writer.join()
    for name in ("disk_full", "snapshot_failed", "snapshot_overdue"):
        expect(server, f'alarms{{name="{name}"}}', is_(0), "it clears itself")
    expect(server, "promise_kept", is_(1), "the promise is kept again")
    server.fault("sync_fails", True)
    server.set("in doubt")
    server.fault("sync_fails", False)
    expect(server, 'alarms{name="disk_failed"}', is_(1), "raised until a restart")
    assert server.stop() == 6
    server.start()
    expect(server, 'alarms{name="disk_failed"}', is_(0), "a restart clears it")


def connections_at_the_bound():
    with Server(server_binary, work, faults_library, "--max-connections", "1") as server:
        server.start()
        assert server.set("key") == b""  # by the one connection that it may have
        expect(server, 'connections_refused_total{reason="limit"}', is_(0), "nobody else came")
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as second:
            assert second.recv(1) == b"", "the second connection was not closed at once"
        expect(server, 'connections_refused_total{reason="limit"}', is_(1), "the second one was turned away")
        assert server.stop() == 0


def promtool(*words, text=None):
    try:
        done = subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit("promtool is missing: install the package prometheus")
    assert done.returncode == 0, f"promtool {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def names_in(text):
    return set(re.findall(r"\bkvstore_([a-z_]+)", text))


def known(names, where):
    every = set(shown)
    for name, kind in shown.items():
        if kind == "histogram":
            every |= {name + "_bucket", name + "_count", name + "_sum"}
    assert not names - every, f"{where} names what the server does not show: {sorted(names - every)}"


class Labels:
    """The labels that the server has shown, and what an expression asks of labels that it does not have."""

    OF_PROMETHEUS = {"instance", "job"}
    MATCHER = r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"'

    def __init__(self):
        self.values = {}  # of each sample, by label
        for name, labels in re.findall(r"^kvstore_([a-z_]+)(?:\{(.*)\})? ", "".join(texts), re.MULTILINE):
            known_values = self.values.setdefault(name, {})
            for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
                known_values.setdefault(label, set()).add(value)
        # A code shows once it was answered, and not each is answered here.
        self.values["rpc_requests_total"]["code"] |= {code.name for code in grpc.StatusCode}

    def unknown(self, query, told=""):
        """`told`: what shows the result, with labels as {{label}}."""
        problems = []
        names = re.findall(r"\bkvstore_([a-z_]+)", query)
        for name, matchers in re.findall(r"\bkvstore_([a-z_]+)\{([^}]*)\}", query):
            for label, how, asked in re.findall(self.MATCHER, matchers):
                if label in self.OF_PROMETHEUS:
                    continue
                values = self.values[name].get(label)
                if values is None:
                    problems.append(f"{name} has no label {label}")
                    continue
                wanted = asked.split("|") if "~" in how else [asked]
                problems += [f"{name}: no {label} is {one}" for one in wanted
                             if not any(re.fullmatch(one, value) if "~" in how else one == value for value in values)]
        grouped = ",".join(re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", query))
        used = set(re.findall(r"\w+", grouped)) | set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", told))
        labels = self.OF_PROMETHEUS.union(*(self.values[name] for name in names))
        return problems + [f"no metric of this has a label {label}" for label in used - labels]


def check_labels(queries):
    """Pairs of an expression and the texts that show its result."""
    labels = Labels()
    for query, told in queries:
        problems = labels.unknown(query, told)
        assert not problems, f"{query}: {problems}"
    # It sees what is wrong.
    for wrong, told in (('kvstore_alarms{name="disk_fulll"} == 1', ""), ('kvstore_alarms{nam="disk_full"}', ""),
                        ('kvstore_memory_bytes{kind!="alocator"}', ""), ('sum by (methd) (kvstore_rpc_requests_total)', ""),
                        ('kvstore_rpc_requests_total{code=~"INTERNAL|DATALOSS"}', ""), ("kvstore_keys", "{{kind}}")):
        assert len(labels.unknown(wrong, told)) == 1, f"nothing is found wrong with {wrong} {told}"


def pages():
    for text in texts:
        promtool("check", "metrics", text=text)
    rules = os.path.join(operations, "alerts.yml")
    promtool("check", "rules", rules)
    promtool("test", "rules", os.path.join(operations, "alerts_test.yml"))
    with open(rules, encoding="utf-8") as file:
        text = file.read()
    expressions = re.findall(r"expr: (.*)", text)
    known(names_in("\n".join(expressions)), rules)
    alarms = set(re.findall(r'alarms\{name="([a-z_]+)"', "".join(texts)))
    page = open(os.path.join(source, "docs", "operations.md"), encoding="utf-8").read()
    for name in alarms:
        assert f'name="{name}"' in text, f"no alert for the alarm {name}"
        assert re.search(rf"^\| `{name.upper()}` \|", page, re.MULTILINE), f"operations.md does not explain {name}"
    for alert, tail in re.findall(r"- alert: (\S+)\n(.*?)(?=- alert:|\Z)", text, re.DOTALL):
        for needed in ("severity:", "summary:", "description:", "runbook:"):
            assert needed in tail, f"the alert {alert} has no {needed}"
    board = os.path.join(operations, "dashboard.json")
    with open(board, encoding="utf-8") as file:
        targets = [target for panel in json.load(file)["panels"] for target in panel.get("targets", [])]
    queries = [target["expr"] for target in targets]
    assert len(queries) > 10
    known(names_in("\n".join(queries)), board)
    told = [tail.split("annotations:")[1] for tail in re.findall(r"- alert: \S+\n(.*?)(?=- alert:|\Z)", text, re.DOTALL)]
    assert len(told) == len(expressions)
    check_labels([*zip(expressions, told), *((target["expr"], target.get("legendFormat", "")) for target in targets)])
    for query in queries:  # Prometheus itself is to understand them.
        promtool("check", "rules", "/dev/stdin", text=json.dumps(
            {"groups": [{"name": "g", "rules": [{"record": "r", "expr": query.replace("$__rate_interval", "1m")}]}]}))
    table = page.split("\n## Metrics\n")[1].split("\n## ")[0]
    listed = {name for line in table.splitlines() if re.search(r"^\| `.* \| (gauge|counter|histogram) \|", line)
              for name in re.findall(r"`([a-z_]+)(?:\{[a-z,]+\})?`", line.split("|")[1])}
    assert listed == set(shown), f"operations.md lists {sorted(listed - set(shown))} too much, {sorted(set(shown) - listed)} too little"


def main():
    with Server(server_binary, work, faults_library, "--slow-threshold", "1ms", "--completion-queues", "1",
                "--log-segment-size", "1MiB", "--request-id-window", "2m", "--max-bytes-in-flight", "1MiB") as server:
        server.start()
        calls_and_writes(server)
        expiries(server)
        snapshots(server)
        memory(server)
        request_ids(server)
        calls_in_progress(server)
        hanging_disk(server)
        log_without_room(server)
        data_heap(server)
        huge_pages(server)
        scans(server)
        no_descriptors(server)
        snapshots_that_fail(server)
        look(server)
        recovery(server)
        alarms_of_the_disk(server)
        look(server)
        assert server.stop() == 0
    connections_at_the_bound()
    still = figures - moved - NOT_MOVED
    assert not still, f"nothing here has moved {sorted(still)}"
    needless = moved & NOT_MOVED
    assert not needless, f"moved here after all: {sorted(needless)}"
    pages()
    print(f"{len(shown)} metrics with {len(figures)} figures, {len(moved)} of them moved")


main()
