"""How much memory a snapshot takes while keys are written: the process and the child that it forked, together."""
import contextlib
import json
import subprocess
import threading
import time
from pathlib import Path

from . import figures
from .loads import MIXED, fill_redis, redis_cli
from .processes import die_with_parent, plain_environment
from .turns import rounds_of

MIB = 1 << 20
LOOK = 0.02  # seconds between two looks
BEFORE = 0.3  # seconds of the chart before the snapshot begins
SNAPSHOT_SECONDS = 60  # at the most


def copies(run, part):
    keys = run.size.redis_keys
    part.section("Memory during a snapshot", f"{figures.count(keys)} keys of 16 bytes with values of 64 are read and set at random, half and "
                 "half, as fast as 64 connections or calls in flight do it, and a snapshot is taken (Redis: BGSAVE). Memory is that of "
                 "the process and its child together, each shared page counted once (the Pss of `/proc/PID/smaps_rollup`): what the "
                 "snapshot adds is what writes made the kernel copy, and what the child itself needs. The faster the writes and the slower "
                 "the disk, the more that is; rates are given with it. "
                 f"Of {run.size.copy_rounds} rounds.")
    both = (("kvstore", ours_once), ("Redis", redis_once))
    rounds = yield from rounds_of(run.size.copy_rounds, lambda number: {name: one(run, keys) for name, one in figures.in_turn(both, number)})
    found = {name: [one[name] for one in rounds] for name, _ in both}
    rows = []
    for name, runs in found.items():
        middle = {figure: figures.spread([each[figure] for each in runs]) for figure in ("before", "most", "seconds", "rate")}
        added = figures.ratio([each["most"] for each in runs], [each["before"] for each in runs])
        rows.append((name, f"{middle['before']['middle']:.0f}", figures.text(middle["most"], 0), figures.text(added),
                     figures.text(middle["seconds"]), figures.count(middle["rate"]["middle"])))
        part.ratio(f"memory at a snapshot of {name}, of that before", added)
        part.keep(name, runs)
    part.table(("server", "before, MiB", "most, MiB", "of that before", "snapshot, s", "operations/s"), rows)
    part.chart("copies", f"Memory during a snapshot, {figures.count(keys)} keys, half of the operations writes", "seconds since its begin",
               "MiB", [(name, runs[0]["points"]) for name, runs in found.items()], ("set yrange [0:*]", "set format x '%g'"))


def ours_once(run, keys):
    with run.machine.ours("snapshot", flags=("--snapshot-interval", "1d")) as server:
        run.bench.load(server, keys)

        def snapshot():
            run.machine.aside(server, "snapshot")

        load = run.bench.start(server, *MIXED, "--keys", keys, "--load", "no", "--closed", 64, seconds=run.size.copy_seconds)
        try:
            seen = seen_during(server, snapshot, run.bench.warm_up)
        finally:
            rate = run.bench.finish(load)["rate"]
    return {**seen, "rate": rate}


def redis_once(run, keys):
    with run.machine.redis() as server:
        fill_redis(run.machine, server, keys)

        def snapshot():
            redis_cli(run.machine, server, "BGSAVE")
            end = time.monotonic() + SNAPSHOT_SECONDS
            while children_of(server.pid):
                if time.monotonic() > end:
                    raise RuntimeError("redis-server: a snapshot without end")
                time.sleep(LOOK)

        command = [run.machine.program("bench/kvstore_redis_load"), "run", "--port", str(server.port), "--keys", str(keys),
                   "--connections", "64", "--depth", "1", "--seconds", str(run.size.copy_seconds)]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=plain_environment(), preexec_fn=die_with_parent)
        try:
            seen = seen_during(server, snapshot, run.bench.warm_up)
        finally:
            said = load.communicate()[0]
    if load.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {load.returncode}")
    return {**seen, "rate": json.loads(said)["rate"]}


def children_of(pid):
    """Of all its threads: whichever of them forked."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # A thread ends when it likes.
            found += path.read_text().split()
    return found


def together(pid):
    """MiB of the process and its children, each shared page once."""
    total = 0
    for each in (pid, *children_of(pid)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # A child ends when it likes.
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total / MIB


def seen_during(server, snapshot, warm_up):
    """Takes the snapshot, and looks all the time: memory before, the most, and its course."""
    points, failed = [], []
    done = threading.Event()

    def take():
        try:
            snapshot()
        except Exception as failure:  # For the thread that waits.
            failed.append(failure)
        finally:
            done.set()

    def look(begin):
        points.append((round(time.monotonic() - begin, 3), round(together(server.pid), 1)))

    time.sleep(warm_up)  # The load says nothing when it has begun.
    begin = time.monotonic() + BEFORE
    while time.monotonic() < begin:
        look(begin)
        time.sleep(LOOK)
    taking = threading.Thread(target=take)
    taking.start()
    while not done.is_set():
        look(begin)
        done.wait(LOOK)
    seconds = time.monotonic() - begin
    taking.join()
    if failed:
        raise failed[0]
    look(begin)
    before = figures.median([memory for when, memory in points if when < 0])
    return {"points": points, "before": before, "most": max(memory for _, memory in points), "seconds": seconds}
