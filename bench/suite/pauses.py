"""Latency: against the offered rate, and of writes while the server does other work."""
import contextlib
import math
import subprocess
import time

from . import figures, targets
from .loads import MIXED, SET
from .processes import ended, undisturbed
from .turns import rounds_of

ENTRY_BYTES = 100  # about, of one entry in a snapshot
ROUNDS_OF_A_SERVER = 3
DURABLE = ("--fsync", "always", "--snapshot-interval", "1d")


def latency(run, part):
    part.section("Latency against the offered rate", "Open loop, Poisson arrivals, unary, half Get, half Set. Rates are shares of what "
                 "a closed loop of 64 reaches on the same server (the median of three runs). A run that fell behind its schedule is marked and has no "
                 "percentiles. Load generator and server share the machine.")
    keys = 10 * run.size.unary_keys
    rows, curves = [], []
    for name, mode, flags in (("nothing on disk", "non_persistent", ()), ("AOF, fsync always", "aof", ("--fsync", "always"))):
        points = []
        with run.machine.ours(mode, flags=flags) as server:
            run.bench.load(server, keys)
            most = saturation(run, server, *MIXED, "--keys", keys)
            for share in run.size.shares:
                found = run.bench.run(server, *MIXED, "--rate", f"{share * most:.0f}", "--keys", keys, "--load", "no")
                good = not found["saturated"]
                rows.append((name, figures.count(share * most), figures.micros(found["p50"]) if good else "saturated",
                             figures.micros(found["p99"]) if good else ""))
                if good:
                    points.append((round(share * most), found["p50"] / 1000, found["p99"] / 1000))
        part.keep(name, points)
        if points:
            curves.append((f"{name}, p99", [(rate, p99) for rate, _, p99 in points]))
            curves.append((f"{name}, p50", [(rate, p50) for rate, p50, _ in points]))
    part.table(("mode", "offered/s", "p50", "p99"), rows)
    if curves:
        part.chart("latency", "Latency against the offered rate (open loop)", "operations/s", "ms", curves, ("set logscale y",))


def disturbed(run, part):
    part.section("Writes during other work", "Set in an open loop at half of what a closed loop of 64 reached at the round's beginning, unary, "
                 f"HYBRID with fsync always, while the other work is done over and over for all of the measured time; {run.size.disturbed_rounds} short "
                 f"rounds, {ROUNDS_OF_A_SERVER} of each server, the undisturbed run in the middle of each. Figures are medians of the rounds; a round that was saturated has an infinite "
                 "p99, how many were is said, and where half of them were there is none. "
                 "The longest one bounds every pause of the server. The last two lines are the limit of this machine: a process that "
                 "only computes, and one that writes a file as large as a snapshot with its checksum, both without a server in them, at the "
                 "priorities that a snapshot's child gives itself. Commands to the server are started at the lowest one.")
    keys = run.size.disturbed_keys
    machine = run.machine
    works = {"nothing": None,
             "snapshots": lambda server: machine.aside(server, "snapshot"),
             "compaction of the log": lambda server: machine.aside(server, "rewrite-log"),
             "mode switches, HYBRID and AOF": lambda server: switch(machine, server),
             "full scans": lambda server: machine.aside(server, "scan", "--limit", "100000000")}
    beside = {"a computing process": machine.computing, "a writing process": lambda: machine.writing(keys * ENTRY_BYTES)}
    found = {name: [] for name in (*works, *beside)}
    numbers = range(run.size.disturbed_rounds)
    of_a_server = [numbers[first:first + ROUNDS_OF_A_SERVER] for first in numbers[::ROUNDS_OF_A_SERVER]]
    yield from rounds_of(len(of_a_server), lambda number: on_a_server(run, of_a_server[number], works, beside, found))
    tell_disturbed(part, found, beside, keys)


def on_a_server(run, numbers, works, beside, found):
    """The rounds with these numbers, on a server that is started for them."""
    keys = run.size.disturbed_keys
    with run.machine.ours("hybrid", flags=DURABLE) as server:
        run.bench.load(server, keys)
        for number in numbers:
            most = run.bench.run(server, *SET, "--keys", keys, "--closed", 64, "--load", "no", seconds=SATURATION_SECONDS)["rate"]
            words = (*SET, "--keys", keys, "--rate", f"{most / 2:.0f}", "--load", "no")
            for name in figures.in_turn(round_of(tuple(found)), number):
                with beside.get(name, contextlib.nullcontext)():
                    found[name].append(while_running(run, server, words, works.get(name)))


def tell_disturbed(part, found, beside, keys):
    rows, bars, ratios = [], [], {}
    for name, runs in found.items():
        p99, longest, ratios[name], behind = summary(runs, found["nothing"])
        part.keep(name, runs)
        ratio = figures.text(ratios[name]) if ratios[name] else ""
        if ratios[name] and name != "nothing":
            part.ratio(f"p99 during {name}, of that without", ratios[name], side=targets.TARGETS["p99"].most)
        rows.append((name, sum(each["times"] for each in runs), figures.micros(p99) if p99 else "", ratio,
                     figures.micros(longest) if longest else "", behind))
        if p99:
            bars.append((name.replace("mode switches, HYBRID and AOF", "mode switches"), (p99 / 1000, longest / 1000)))
    part.table(("other work", "times", "p99", "of p99 without", "longest", ""), rows)
    if ratios["snapshots"]:
        limits = {name: ratios[name] for name in beside if ratios[name]}
        behind = next(row[-1] for row in rows if row[0] == "snapshots")
        said = [f"beside {name}: {figures.text(ratio)}" for name, ratio in limits.items()]
        part.target("p99", ratios["snapshots"], "; ".join([*said, behind] if behind else said),
                    max((ratio["middle"] for ratio in limits.values()), default=None))
    if bars:
        part.bars("disturbed", f"Set at half of saturation, {figures.count(keys)} keys, during other work", "ms", bars,
                  ("p99", "longest"))


SATURATION_SECONDS = 0.6
SATURATIONS = 3  # runs, of which the median is taken: rates of all others are shares of it


def saturation(run, server, *words):
    """What a closed loop of 64 reaches, with the keys that are there."""
    return figures.median([run.bench.run(server, *words, "--closed", 64, "--load", "no")["rate"] for _ in range(SATURATIONS)])


def round_of(names):
    """The first one, which all others are compared with, goes to the middle: none is far from it."""
    first, *others = names
    middle = len(others) // 2
    return (*others[:middle], first, *others[middle:])


def summary(runs, undisturbed):
    """Medians of the rounds: p99, the longest of those that kept their schedule, and how often p99 is that of the round's undisturbed
    run; and what is to be said of the others. A round without schedule has an infinite p99; one without an undisturbed run that kept it
    has no ratio."""
    kept = [one for one in runs if not one["saturated"]]
    behind = f"{len(runs) - len(kept)} of {len(runs)} saturated" if len(kept) < len(runs) else ""
    p99 = figures.median([p99_of(one) for one in runs])
    ratios = [p99_of(one) / other["p99"] for one, other in zip(runs, undisturbed, strict=True) if not other["saturated"]]
    ratio = figures.spread(ratios) if ratios else None
    if math.isinf(p99):
        return None, None, ratio, behind
    return p99, figures.median([each["max"] for each in kept]), ratio, behind


def p99_of(one):
    return math.inf if one["saturated"] else one["p99"]


def switch(machine, server):
    machine.aside(server, "config", "set", "mode=aof", "--wait")
    machine.aside(server, "config", "set", "mode=hybrid", "--wait")


def while_running(run, server, words, work):
    """A run of the load during which `work` is done over and over."""
    started = run.bench.start(server, *words, seconds=run.size.disturbed_seconds)
    times = 0
    try:
        try:
            # The warm-up is a wait for nothing that could be awaited: the load says nothing when it ends.
            with undisturbed():
                started[0].wait(run.bench.warm_up)
        except subprocess.TimeoutExpired:
            pass
        end = time.monotonic() + run.size.disturbed_seconds
        while work and time.monotonic() < end and not ended(started[0]):
            work(server)
            times += 1
    finally:
        result = run.bench.finish(started)
    return {"times": times, **{figure: result[figure] for figure in ("p50", "p99", "max", "saturated", "rate")}}
