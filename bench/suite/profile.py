"""Where the server's time goes: the share of its own functions, and the largest of them, as perf sees them."""
import re

from .loads import GET, MIXED, SET
from .processes import Unavailable

LARGEST = 5
STARTS_IN = 0.7  # seconds, in which perf and the load have both begun
LOADS = (("get", "unary Get", ("--closed", 64, *GET)), ("set", "unary Set", ("--closed", 64, *SET)),
         ("pipeline 16", "pipeline, messages of 16", (*MIXED, "--api", "pipeline", "--pipeline-depth", 16, "--closed", 16)),
         ("pipeline 128", "pipeline, messages of 128", (*MIXED, "--api", "pipeline", "--pipeline-depth", 128, "--closed", 16)))


def profile(run, part):
    part.section("Where the server's time goes", "Nothing on disk, closed loop, sampled by `perf record -e cpu-clock`. A function is "
                 "the server's own when it is compiled from this tree; the rest is gRPC, the allocator, the kernel. What the "
                 "compiler put into its caller counts for the caller.")
    keys = min(run.size.redis_keys, 100 * run.size.unary_keys)
    rows, shares = [], {}
    with run.machine.ours() as server:
        may_look(run, server)
        run.bench.load(server, keys)
        for key, name, words in LOADS:
            found = sampled(run, server, (*words, "--keys", keys, "--load", "no"))
            own = [(share, symbol) for share, symbol, ours in found if ours]
            total = sum(share for share, *_ in found)
            if not total:
                raise RuntimeError("perf report tells of no samples")
            shares[key] = 100 * sum(share for share, _ in own) / total
            largest = "<br>".join(f"{share:.1f} % `{symbol}`" for share, symbol in sorted(own, reverse=True)[:LARGEST])
            rows.append((name, f"{shares[key]:.0f} %", largest))
    part.keep("shares", shares)
    part.table(("load", "its own functions", f"the {LARGEST} largest"), rows)


def sampled(run, server, words):
    """Share of the time, symbol, and whether it is the server's own."""
    data = run.machine.folder() / "perf.data"
    seconds = max(0.3, run.size.seconds)
    started = run.bench.start(server, *words, seconds=seconds + STARTS_IN)
    try:
        run.machine.output("perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-o", str(data), "-p", str(server.pid), "--",
                           "sleep", str(run.bench.warm_up + seconds))
    finally:
        run.bench.finish(started)
    text = run.machine.output("perf", "report", "-q", "-i", str(data), "--stdio", "--no-children", "-g", "none", "--sort",
                              "dso,symbol", "--percent-limit", "0")
    found = []
    for line in text.splitlines():
        if parts := re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[.\]\s+(.*?)(?:\s{2,}.*)?$", line):
            share, library, symbol = parts.groups()
            found.append((float(share), short(symbol), library == "kvstore_server" and "kv::" in symbol))
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
