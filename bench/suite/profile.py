"""Where the server's time goes: the share of its own functions, and the largest of them, as perf sees them."""
import contextlib
import re

from .compare import UNARY
from .loads import GET, MANY_SETS, MIXED, ONE_AT_A_TIME, SET
from .processes import Unavailable
from .redis import shape

LARGEST = 5
STARTS_IN = 0.7  # seconds, in which perf and the load have both begun
ON_DISK = ("always", "alone")
# Those that the targets are measured with.
LOADS = (("old get", "Get of the old service", (*GET, *UNARY, "--api", "legacy")),
         ("old set", "Set of the old service", (*SET, *UNARY, "--api", "legacy")),
         ("get", "unary Get", (*GET, *UNARY)), ("set", "unary Set", (*SET, *UNARY)),
         ("always", "unary Set, fsync always", MANY_SETS), ("alone", "the same, one at a time", ONE_AT_A_TIME),
         ("pipeline 16", "pipeline, messages of 16", (*MIXED, *shape(16)[1])),
         ("pipeline 128", "pipeline, messages of 128", (*MIXED, *shape(128)[1])))


def profile(run, part):
    part.section("Where the server's time goes", "Closed loop, sampled by `perf record -e cpu-clock`; nothing on disk but where it says "
                 "so. Each line is the load of the row above that it stands beside, over as many keys. A function is "
                 "the server's own when its name, arguments of templates included, is in this tree's namespace `kv`. The whole "
                 "program is every function that is in the server's file: also the messages that protobuf generated, and what of "
                 "gRPC, protobuf, Abseil and the C++ library is templates or inline and stands there by itself; they are not counted "
                 "as its own, because their text is not this tree's, and may be work that this tree's code asks for. The rest is in "
                 "libraries (gRPC, protobuf, the allocator, libc) and the kernel. What the compiler put into its caller counts for the caller.")
    rows, shares, programs = [], {}, {}
    with servers(run) as serves:
        for key, name, words in LOADS:
            server, among = serves(key)
            found = sampled(run, server, (*words, "--keys", among, "--load", "no"))
            shares[key], programs[key], largest = summed(found)
            rows.append((name, f"{shares[key]:.0f} %", f"{programs[key]:.0f} %",
                         "<br>".join(f"{share:.1f} % `{symbol}`" for share, symbol in largest)))
    part.keep("shares", shares)
    part.keep("programs", programs)
    part.table(("load", "its own functions", "the whole program", f"the {LARGEST} largest of its own"), rows)


@contextlib.contextmanager
def servers(run):
    """Of each load its server, with as many keys as that of its row has, and their number: more keys are more misses of the cache."""
    few, many = run.size.unary_keys, run.size.redis_keys
    with run.machine.ours() as memory, run.machine.ours() as large, run.machine.ours("aof", flags=("--fsync", "always")) as durable:
        may_look(run, memory)
        for server, keys in ((memory, few), (large, many), (durable, few)):
            run.bench.load(server, keys)

        def serves(key):
            return (durable, few) if key in ON_DISK else (large, many) if key.startswith("pipeline") else (memory, few)
        yield serves


def summed(found):
    """Of all time, in percent: its own functions, the whole program; and the largest of its own."""
    total = sum(share for share, *_ in found)
    if not total:
        raise RuntimeError("perf report tells of no samples")
    own = [(100 * share / total, symbol) for share, symbol, program, ours in found if program and ours]
    program = sum(100 * share / total for share, _, program, _ in found if program)
    return sum(share for share, _ in own), program, sorted(own, reverse=True)[:LARGEST]


def sampled(run, server, words):
    """Of each function, as functions_of() has it."""
    return functions_of(told(run, recorded(run, server, words)))


def recorded(run, server, words):
    """What perf has seen of a load: its file."""
    data = run.machine.folder() / "perf.data"
    seconds = run.size.profile_seconds
    started = run.bench.start(server, *words, seconds=seconds + STARTS_IN)
    try:
        run.machine.output("perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", str(data), "-p", str(server.pid), "--",
                           "sleep", str(run.bench.warm_up + seconds))
    finally:
        run.bench.finish(started)
    return data


def told(run, data, *options):
    return run.machine.output("perf", "report", "-q", "-i", str(data), "--stdio", "--no-children", "-g", "none", "--sort",
                              "dso,symbol", "--percent-limit", "0", *options)


def functions_of(text):
    """Share of the time, symbol, whether it is in the server's file, and whether its name is of this tree."""
    found = []
    for line in text.splitlines():
        if parts := re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[.\]\s+(.*?)(?:\s{2,}.*)?$", line):
            share, library, symbol = parts.groups()
            found.append((float(share), short(symbol), library == "kvstore_server", re.search(r"\bkv::", symbol) is not None))
    return found


def may_look(run, server):
    """Not every machine, and not in every container."""
    try:
        run.machine.output("perf", "record", "-q", "-e", "cpu-clock", "-o", "/dev/null", "-p", str(server.pid), "--", "true")
    except RuntimeError as refused:
        raise Unavailable(f"perf may not look at a process here: {refused}") from refused


def short(symbol):
    """Without arguments and the words of a coroutine's frame."""
    symbol = re.sub(r"\(.*", "", symbol.replace("(anonymous namespace)::", ""))
    return symbol if len(symbol) <= 90 else symbol[:87] + "..."
