"""How long the fork of a snapshot keeps callers waiting."""
import os
import re
import signal
import time

from . import figures
from .copies import children_of
from .loads import SET, fill_redis, redis_cli
from .turns import rounds_of

GIB = 1 << 30
VALUE_BYTES = 1024  # so that few keys make a GiB
EACH_MICROS = re.compile(r"writers paused (\d+) us")


def pause(run, part):
    keys = run.size.pause_keys
    part.section("The pause of a snapshot", f"{figures.count(keys)} keys of 16 bytes, values of {VALUE_BYTES:,}. The pause is how long writers wait "
                 "at a fork, as the server's log tells: of the first snapshot, then of the later ones, with writes between them (Redis: "
                 "latest_fork_usec of BGSAVE, whose child is ended then). The two take theirs by turns, and a server with one key too: that "
                 "much does not grow with the data. For each GiB of resident memory.")
    found = {name: {"first": [], "later": []} for name in ("kvstore", "Redis", "kvstore, one key")}
    yield from rounds_of(run.size.pause_rounds, lambda _: some_of_each(run, keys, found))
    tell(part, found)


def some_of_each(run, keys, found):
    """One round: servers that are filled for it, and some snapshots of each."""
    ours, theirs, empty = found.values()
    with (run.machine.ours("snapshot", flags=("--snapshot-interval", "1d")) as server,
          run.machine.ours("snapshot", flags=("--snapshot-interval", "1d")) as bare, run.machine.redis() as redis):
        run.bench.load(server, keys, VALUE_BYTES)
        fill_redis(run.machine, redis, keys, VALUE_BYTES)
        takes = ((ours, lambda: ours_once(run, server, keys)), (empty, lambda: ours_once(run, bare, 1)),
                 (theirs, lambda: redis_once(run.machine, redis)))
        for number in range(run.size.snapshots):
            for one, take in figures.in_turn(takes, number):
                one["later" if number else "first"].append(take())
        for one, process in zip(found.values(), (server, redis, bare), strict=True):
            one["gib"] = process.resident_bytes() / GIB


def tell(part, found):
    rows = []
    for name, one in found.items():
        part.keep(name, one)
        later = figures.spread(one["later"])
        each = figures.text({kind: value / one["gib"] for kind, value in later.items()}) if one["gib"] > 0.1 else ""
        rows.append((name, f"{one['gib']:.2f}", f"{figures.median(one['first']):.2f}", figures.text(later), each))
    ours, theirs, empty = (found[name] for name in ("kvstore", "Redis", "kvstore, one key"))
    each, redis = ([pause / one["gib"] for pause in one["later"]] for one in (ours, theirs))
    part.ratio("later pauses a GiB, of Redis'", figures.ratio([figures.median(each)], [figures.median(redis)]))
    part.target("pause", figures.spread(each), f"of {ours['gib']:.2f} GiB; with one key {figures.median(empty['later']):.2f} ms; Redis: "
                f"{figures.median(redis):.1f} ms a GiB")
    part.table(("server", "GiB", "first pause, ms", "later pauses, ms", "a GiB, ms"), rows)


def ours_once(run, server, keys):
    """Writes, so that the fork finds pages that the last snapshot made the kernel copy; a snapshot; its pause in ms."""
    run.bench.run(server, *SET, "--closed", 16, "--keys", keys, "--value-bytes", VALUE_BYTES, "--load", "no")
    before = len(EACH_MICROS.findall(server.said()))
    run.machine.client(server, "snapshot")
    told = EACH_MICROS.findall(server.said())
    if len(told) != before + 1:
        raise RuntimeError(f"a snapshot was taken, and the log tells of {len(told) - before} pauses")
    return int(told[-1]) / 1000


def redis_once(machine, server):
    """A fork; its pause in ms. What the child writes nobody needs."""
    def info(name):
        return int(re.search(rf"^{name}:(\d+)", redis_cli(machine, server, "INFO", "persistence", "stats"), re.M).group(1))

    redis_cli(machine, server, "BGSAVE")
    for child in children_of(server.pid):
        os.kill(int(child), signal.SIGKILL)
    while info("rdb_bgsave_in_progress"):
        time.sleep(0.02)  # It tells nobody.
    return info("latest_fork_usec") / 1000
