"""Ours beside an empty server, and beside itself without a disk."""
import contextlib

from . import figures
from .loads import GET, MANY_SETS, ONE_AT_A_TIME, SET
from .turns import rounds_of

UNARY = ("--closed", 64, "--channels", 4)
CALLS = (("unary", "Get", GET, "get"), ("unary", "Set", SET, "set"),
         ("legacy", "Get", GET, "old get"), ("legacy", "Set", SET, "old set"))


def null(run, part):
    part.section("What a call costs beside an empty server", "Closed loop, 64 calls in flight over 4 connections, one "
                 "completion queue, nothing on disk. The empty server has the same reactor and no store; messages of the old "
                 "service go through protobuf on both sides, those of kvstore.v1 on neither, and there the empty server reads nothing "
                 "of a request and always gives the same bytes: the ratio is what reading the request, the store, its checks and "
                 "writing the answer add. Microseconds of server CPU an operation; both are asked in turn, in slices of less than a "
                 f"second, in {run.size.many_rounds} rounds of {run.size.short_seconds:g} s each.")
    rows = []
    rounds = yield from rounds_of(run.size.many_rounds, lambda number: calls_of_both(run, number))
    for api, name, _, target in CALLS:
        empty, ours = ([found[api, name][place] for found in rounds] for place in (0, 1))
        ratio = figures.ratio(ours, empty)
        part.keep(f"{api} {name}", {"empty": empty, "ours": ours})
        rows.append((f"{name}, {'the old service' if api == 'legacy' else 'kvstore.v1'}",
                     figures.text(figures.spread(empty)), figures.text(figures.spread(ours)), figures.text(ratio)))
        part.ratio(f"{api} {name}, of the empty server", ratio)
        part.target(target, ratio, f"empty server: {figures.median(empty):.2f} us")
    part.table(("call", "empty server, us", "ours, us", "ratio"), rows)


def calls_of_both(run, number):
    """One round: of each call the CPU of an operation on the empty server and on ours."""
    queues = ("--completion-queues", "1")
    found = {}
    with run.machine.null(queues) as empty, run.machine.ours(flags=queues) as ours:
        run.bench.load(ours, run.size.unary_keys)
        for api, name, preset, _ in CALLS:
            servers = figures.in_turn((empty, ours), number)
            words = (*preset, *UNARY, "--api", api, "--keys", run.size.unary_keys)
            slices = [run.bench.sliced(server, *words) for server in servers]
            told = figures.sliced(run.size.short_seconds, slices)
            found[api, name] = [each["cpu"] for each in figures.in_turn(told, number)]
    return found


KINDS = (("nothing on disk", "non_persistent", ()), ("SNAPSHOT", "snapshot", ()),
         ("AOF, fsync never", "aof", ("--fsync", "never")), ("AOF, fsync interval", "aof", ("--fsync", "interval")),
         ("AOF, fsync always", "aof", ("--fsync", "always")), ("HYBRID, fsync always", "hybrid", ("--fsync", "always")))
EMPTY = ("empty server", "empty server that writes and syncs", "empty server beside a disk at work")


def all_kinds(run):
    """One round of Set on a server of each kind and the empty one, in slices by turns. Of each name what figures.sliced() tells."""
    words = (*MANY_SETS, "--keys", run.size.unary_keys)
    with contextlib.ExitStack() as servers:
        loads = {}
        for name, mode, flags in KINDS:
            server = servers.enter_context(run.machine.ours(mode, flags=flags))
            run.bench.load(server, run.size.unary_keys)
            loads[name] = run.bench.sliced(server, *words)
        empty = servers.enter_context(run.machine.null())
        loads[EMPTY[0]] = run.bench.sliced(empty, *words)
        loads[EMPTY[1]] = run.bench.sliced(servers.enter_context(run.machine.null(log=True)), *words)
        loads[EMPTY[2]] = run.bench.sliced(empty, *words, beside=run.machine.syncing)
        return dict(zip(loads, figures.sliced(run.size.round_seconds, tuple(loads.values()))))


def durable(run, part):
    part.section("What durability costs", "Set, unary, 256 in flight over 4 connections. All servers run, and are asked in turn, in slices "
                 "of less than a second. The ratio is of the durable server's rate to that of the one that writes nothing, round by round. "
                 "The last three lines are the limit of this machine: the "
                 "empty server alone; one whose second thread writes so many bytes for all calls that wait, syncs, and has them answered, and "
                 "does nothing else; and the first beside a process that only writes 4 KiB and waits for the disk, over and over.")
    rounds = yield from rounds_of(run.size.rounds, lambda _: all_kinds(run))
    rates, cpus = ({name: [found[name][figure] for found in rounds] for name in rounds[0]} for figure in ("rate", "cpu"))
    rows = []
    for name in rates:
        below = rates[EMPTY[0] if name in EMPTY else "nothing on disk"]
        ratio = figures.ratio(rates[name], below)
        part.ratio(f"{name}, of that without a disk", ratio)
        rows.append((name, figures.count(figures.median(rates[name])), f"{figures.median(cpus[name]):.2f}", figures.text(ratio)))
    part.keep("rates", rates)
    part.keep("cpu", cpus)
    part.table(("mode", "Set/s", "CPU, us", "of that without a disk"), rows)
    limit, neighbour = (figures.ratio(rates[name], rates[EMPTY[0]]) for name in EMPTY[1:])
    part.target("always", figures.ratio(rates["AOF, fsync always"], rates["nothing on disk"]),
                f"empty server that writes and syncs, of one that does not: {figures.text(limit)}; beside a bare disk at work: "
                f"{figures.text(neighbour)}", limit["middle"])
    part.bars("durability", "Set, 256 in flight: operations a second in each mode", "operations/s",
              [(name.replace(", fsync ", "\\n").replace(" on disk", "\\non disk"), (round(figures.median(rates[name])),)) for name, *_ in KINDS], ("unary Set",))


def alone(run, part):
    part.section("One durable write, alone", "A Set with fsync always and nobody else about, beside what it is made of: a write of "
                 "4 KiB and its fdatasync in a preallocated file on the same disk (`kvstore_tool disk-check`: no server about), and a "
                 "Set that writes nothing. The limit is an empty server whose second thread writes and syncs, and does nothing else: its Set, "
                 "of the same disk and a Set of the empty server alone. All take turns in each of "
                 f"{run.size.many_rounds} rounds, a slice of less than a second each. Medians, in microseconds.")
    rounds = yield from rounds_of(run.size.many_rounds, lambda number: alone_once(run, number))
    found = {name: [one[name] for one in rounds] for name in rounds[0]}
    bare = found["bare"]
    ratio, limit = (figures.ratio(found[write], [b + c for b, c in zip(bare, found[call], strict=True)])
                    for write, call in (("write", "call"), ("empty write", "empty call")))
    part.ratio("durable Set, of write and call", ratio)
    part.keep("alone", found)
    part.table(("", "bare write and fdatasync", "a Set without them", "a durable Set", "of the sum"),
               [(name, *(figures.text(figures.spread(found[each]), 0) for each in ("bare", call, write)), figures.text(one))
                for name, call, write, one in (("kvstore", "call", "write", ratio), ("empty server", "empty call", "empty write", limit))])
    part.target("alone", ratio, f"disk {figures.median(bare):.0f} us and call {figures.median(found['call']):.0f} us; empty server that "
                f"writes and syncs: {figures.text(limit)}", limit["middle"])


def alone_once(run, number):
    """One round: of each name its microseconds."""
    one = (*ONE_AT_A_TIME, "--keys", min(1000, run.size.unary_keys))
    machine = run.machine
    with (machine.ours("aof", flags=("--fsync", "always")) as durable_, machine.ours() as memory, machine.null(log=True) as logging,
          machine.null() as empty):
        servers = {"call": memory, "write": durable_, "empty call": empty, "empty write": logging}
        asks = {name: lambda server=server: run.bench.run(server, *one, seconds=figures.SLICE_SECONDS)["p50"]
                for name, server in servers.items()}
        asked = {"bare": machine.bare_sync_micros, **asks}
        return {name: ask() for name, ask in figures.in_turn(asked.items(), number)}


def etcd(run, part):
    part.section("Beside etcd", "etcd of Debian 12, one member, Put and Range over gRPC by the same load generator; ours in AOF with "
                 "fsync always, which is what etcd does. Closed loop; the two are asked in turn, in slices of less than a second, in "
                 f"{run.size.more_rounds} rounds of {run.size.short_seconds:g} s each. Operations a second.")
    rows, groups = [], []
    rounds = yield from rounds_of(run.size.more_rounds, lambda _: calls_of_etcd(run))
    for name, in_flight in rounds[0]:
        theirs, ours = ([found[name, in_flight][place] for found in rounds] for place in (0, 1))
        ratio = figures.ratio(ours, theirs)
        part.ratio(f"{name}, {in_flight} in flight, of etcd", ratio)
        part.keep(f"{name} {in_flight}", {"etcd": theirs, "ours": ours})
        rows.append((name, in_flight, figures.count(figures.median(theirs)), figures.count(figures.median(ours)), figures.text(ratio)))
        groups.append((f"{name} {in_flight}", (round(figures.median(theirs)), round(figures.median(ours)))))
    part.table(("operation", "in flight", "etcd/s", "ours/s", "ratio"), rows)
    part.bars("etcd", "Beside etcd, every write on disk: operations a second, by calls in flight", "operations/s", groups,
              ("etcd", "kvstore"))


def calls_of_etcd(run):
    """One round: of each call and number in flight the rates of etcd and of ours."""
    found = {}
    with run.machine.etcd() as theirs, run.machine.ours("aof", flags=("--fsync", "always")) as ours:
        keys = min(1000, run.size.unary_keys)
        both = ((theirs, "etcd"), (ours, "unary"))
        for server, api in both:
            run.bench.load(server, keys, api=api)
        for name, preset in (("write", SET), ("read", GET)):
            for in_flight in (1, 64, 256):
                words = (*preset, "--closed", in_flight, "--channels", min(4, in_flight), "--keys", keys)
                loads = [run.bench.sliced(server, *words, "--api", api) for server, api in both]
                found[name, in_flight] = [each["rate"] for each in figures.sliced(run.size.short_seconds, loads)]
    return found
