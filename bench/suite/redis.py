"""Ours beside Redis: pipelines of 1, 16 and 128, with nothing on disk, a sync each second, and a sync for each answer."""
import json
from pathlib import Path

from . import figures
from .loads import MIXED, RedisBenchmark, fill_redis, redis_load
from .turns import rounds_of

# Neither compacts its log: it would in the other's runs, too.
GROWS = ("--log-rewrite-min-size", "1TiB")
KINDS = (("nothing on disk", "none", "non_persistent", ()),
         ("fsync each second", "everysec", "aof", ("--fsync", "interval", "--fsync-interval", "1s", *GROWS)),
         ("fsync always", "always", "aof", ("--fsync", "always", *GROWS)))
DEPTHS = (1, 16, 128)


def shape(depth):
    """Connections, and how ours is asked: as many messages under way as Redis has connections."""
    if depth == 1:
        return 64, ("--api", "unary", "--closed", 64, "--channels", 4)
    return 16, ("--api", "pipeline", "--pipeline-depth", depth, "--closed", 16, "--channels", 2)


def redis(run, part):
    part.section("Beside Redis", f"redis-server and redis-benchmark of Debian 12; {figures.count(run.size.redis_keys)} keys of 16 bytes "
                 "with values of 64, half SET and half GET, over loopback. Depth is commands in a pipeline there and operations in "
                 "a message here; depth 1 is a unary call. Closed loops: 64 in flight at depth 1, 16 pipelines or messages above. "
                 "`lean` is kvstore_redis_load, a client that costs less than redis-benchmark. CPU is microseconds of the "
                 "server an operation. Ratios are of rates: ours to redis-benchmark's, and to the lean client's. All clients take turns in "
                 f"slices of less than a second, in {run.size.rounds} rounds with nothing on disk and {run.size.durable_rounds} of each other kind.")
    map_micros = bare_map(run)
    turns = [kind for number in range(run.size.rounds) for kind in KINDS if number < run.size.durable_rounds or kind is KINDS[0]]
    told = yield from rounds_of(len(turns), lambda number: all_depths(run, *turns[number][1:]))
    rows, panels = [], {depth: [] for depth in DEPTHS}
    for kind in KINDS:
        name, persistence, *_ = kind
        rounds = [one for each, one in zip(turns, told, strict=True) if each is kind]
        for depth in DEPTHS:
            found = {key: [one[depth][key] for one in rounds] for key in rounds[0][depth]}
            part.keep(f"{persistence} {depth}", found)
            ratio = figures.ratio(found["ours"], found["redis"])
            lean = figures.ratio(found["ours"], found["lean"])
            part.ratio(f"{name}, depth {depth}, of redis-benchmark", ratio)
            part.ratio(f"{name}, depth {depth}, of the lean client", lean)
            middle = {key: figures.median(values) for key, values in found.items()}
            rows.append((name, depth, figures.count(middle["redis"]), figures.count(middle["lean"]),
                         figures.count(middle["ours"]), figures.text(ratio), figures.text(lean),
                         f"{middle['redis cpu']:.2f}", f"{middle['ours cpu']:.2f}"))
            panels[depth].append((persistence, (round(middle["redis"]), round(middle["lean"]), round(middle["ours"]))))
            if persistence == "none" and depth > 1:
                limit = figures.ratio(found["null"], found["redis"])
                part.target(f"pipeline {depth}", ratio,
                            f"empty server's pipeline: {figures.text(limit)}; bare map: {map_micros} of our "
                            f"{middle['ours cpu']:.2f} us of CPU; of the lean client's rate: {figures.text(lean)}", limit["middle"])
    part.table(("persistence", "depth", "redis-benchmark/s", "lean/s", "ours/s", "ratio", "to lean", "Redis CPU", "our CPU"), rows)
    part.panels("redis", "Half SET, half GET: operations a second, by what Redis calls appendfsync", "operations/s",
                [(f"depth {depth}", panels[depth]) for depth in DEPTHS], ("redis-benchmark", "Redis, lean client", "kvstore"))


def all_depths(run, persistence, mode, flags):
    """One round: of each depth what one_depth() tells, all on servers that were started for it."""
    with run.machine.redis(persistence) as theirs, run.machine.ours(mode, flags=flags) as ours, run.machine.null() as empty:
        run.bench.load(ours, run.size.redis_keys)
        fill_redis(run.machine, theirs, run.size.redis_keys)
        return {depth: one_depth(run, ours, theirs, empty if persistence == "none" else None, depth) for depth in DEPTHS}


def one_depth(run, ours, theirs, empty, depth):
    """Of each client its rate, and under its name with " cpu" microseconds of its server an operation."""
    keys = run.size.redis_keys
    connections, words = shape(depth)
    loads = {"ours": run.bench.sliced(ours, *MIXED, "--keys", keys, *words),
             "redis": RedisBenchmark(run.machine, theirs, keys, depth, connections).run,
             "lean": lambda seconds: redis_load(run.machine, theirs, "run", "--keys", keys, "--depth", depth, "--connections",
                                                connections, "--seconds", seconds)}
    if empty:
        loads["null"] = run.bench.sliced(empty, *MIXED, "--keys", keys, *words)
    found = {}
    for name, one in zip(loads, figures.sliced(run.size.round_seconds, tuple(loads.values())), strict=True):
        found |= {name: one["rate"], f"{name} cpu": one["cpu"]}
    return found


def bare_map(run):
    """Microseconds of half a find and half a put in the store alone, by one thread, as text."""
    program = run.machine.program("bench/components/kvstore_component_bench")
    if not Path(program).exists():
        return "not built,"
    keys = "1000000" if run.size.redis_keys >= 1_000_000 else "10000"
    found = json.loads(run.machine.output(program, f"--benchmark_filter=(find_in_store|put_over_a_key)/keys:{keys}$",
                                          "--benchmark_format=json", f"--benchmark_min_time={min(0.5, run.size.seconds)}"))
    each = [one["cpu_time"] for one in found["benchmarks"]]
    if len(each) != 2:
        raise RuntimeError(f"kvstore_component_bench: {len(each)} benchmarks of the map, not two")
    return f"{sum(each) / 2 / 1000:.2f}"
