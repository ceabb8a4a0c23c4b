"""What keys cost in memory and to load; what an operation costs against what it works on."""
import concurrent.futures
import hashlib
import mmap
import re
import time
from pathlib import Path

from . import figures
from .loads import GET, MIXED, SET, fill_redis, redis_cli
from .turns import rounds_of

GIB = 1 << 30


def memory(run, part):
    part.section("Memory, and the time to load", "Keys of 16 bytes, values of 64. Memory is what the keys "
                 "after the first 2,000 added, for each of them, so that what connections and the first calls take once is no key's: "
                 "resident memory; of Redis what it says it uses, in the same way. The bare store is `kvstore_store_bench`, with the server's "
                 "allocator; it gives each key an expiry of its own, the load gives all keys the same time to live. Loading is the time from the start of the process until it "
                 "serves, from a snapshot after a clean stop (Redis: from its RDB file), with the file in the page cache, and memory "
                 "that the machine has at hand (a quarter more than the server took is written to before each, and held for a while); the two "
                 "start in turn, round by round.")
    found = {keys: {} for keys in run.size.memory_keys}
    rounds = [lambda keys=keys, one=one: measure(run, keys, one) for keys, one in found.items()]
    rounds += [lambda keys=keys, number=number: load_both(run, found[keys], number)
               for number in range(run.size.loads) for keys in run.size.load_keys]
    yield from rounds_of(len(rounds), lambda number: rounds[number]())
    tell_memory(run, part, found)


def tell_memory(run, part, found):
    sizes, loads, restarts = [], [], []
    for keys, one in found.items():
        ours, theirs, ours_expiring, (bare, expiring, seconds) = (one[name] for name in ("ours", "redis", "ours expiring", "bare"))
        name = figures.count(keys)
        part.keep(name, {"ours": ours, "redis": theirs, "bare": bare, "ours expiring": ours_expiring, "expiring": expiring, "bare seconds": seconds,
                         "two at once": one.get("two at once")})
        sizes.append((name, *(f"{each:.0f}" for each in (ours["bytes"], bare, ours_expiring, expiring, theirs["bytes"]))))
        part.ratio(f"bytes of {name} keys, of Redis", figures.ratio([ours["bytes"]], [theirs["bytes"]]))
        part.ratio(f"bytes of {name} keys with an expiry, of Redis' without", figures.ratio([ours_expiring], [theirs["bytes"]]))
        part.target(f"bytes {name}", figures.spread([ours["bytes"]]), f"bare store: {bare:.0f} bytes; Redis: {theirs['bytes']:.0f}", bare)
        part.target(f"expiring {name}", figures.spread([ours_expiring]), f"bare store: {expiring:.0f} bytes", expiring)
        if keys not in run.size.load_keys:
            continue
        load = figures.ratio(ours["load"], theirs["load"])
        part.ratio(f"load of {name} keys, of Redis", load)
        loads.append((name, *(f"{figures.text(figures.spread(each['load']))} s" for each in (ours, theirs)), figures.text(load)))
        restarts.append((f"{name} keys", tuple(round(figures.median(each["load"]), 2) for each in (ours, theirs))))
        if keys == max(run.size.memory_keys):
            filled = seconds / figures.median(theirs["load"])
            part.target(f"load {name}", load, f"filling a bare map with one thread, of Redis' time: {filled:.2f}")
    part.table(("keys", "our bytes a key", "bare store", "ours, with expiries", "bare store, with expiries", "Redis' bytes a key"), sizes)
    part.table(("keys", "our load", "Redis' load", "ratio"), loads)
    part.bars("memory", "Bytes a key, 16 bytes of key and 64 of value", "bytes",
              [(f"{row[0]} keys", (row[1], row[3], row[5])) for row in sizes],
              ("kvstore", "kvstore, each key with an expiry", "Redis"))
    part.bars("restart", "From the start of the process until it serves, by what it finds", "seconds", restarts, ("kvstore", "Redis"))


FIRST_KEYS = 2000
FLAGS = ("--snapshot-interval", "1d")


def measure(run, keys, found):
    """Memory of all kinds; and what is to be loaded later, in folders that stay until then."""
    data, theirs_data = found["folders"] = run.machine.folder(stays=True), run.machine.folder(stays=True)
    found |= {"ours": ours_at(run, keys, data), "redis": redis_at(run, keys, theirs_data), "ours expiring": expiring_at(run, keys),
              "bare": store_at(run, keys)}


def load_both(run, found, number):
    """The time that each takes to load what it has left, in turn; and of what the machine was meanwhile, what may explain it."""
    data, theirs_data = found["folders"]
    starts = ((found["ours"], data, lambda: run.machine.ours("snapshot", data, FLAGS)),
              (found["redis"], theirs_data, lambda: run.machine.redis(data=theirs_data)))
    found.setdefault("two at once", []).append(two_at_once())
    for one, folder, start in figures.in_turn(starts, number):
        for file in folder.rglob("*"):
            if file.is_file():
                file.read_bytes()  # Others had their rounds: it may have left the page cache.
        put_at_hand(one["gib"], run.size.held_seconds)
        with start() as server:
            one["load"].append(server.seconds_to_serve)
            one.setdefault("load cpu", []).append(server.cpu_parts())


def two_at_once(mib=32):
    """What a computation takes beside another one, of what it takes alone: 1 with a core for each, up to 2 when two share one."""
    data = bytes(mib << 20)

    def seconds(threads):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: hashlib.sha256(data).digest(), range(threads)))
        return time.monotonic() - began
    seconds(2)
    return seconds(2) / seconds(1)


WHILE_LOADING = 1.25  # of what the server took: a load takes more for a moment


def put_at_hand(gib, seconds):
    """So much memory, and what a load takes for a moment, is written to, held and given back. What a virtual machine has free its host
    may take, and gives again at 7 us for each page. It takes some every 2 s or so: memory that is held meanwhile is there when a
    load that begins at once asks for it. Of 5 M keys in 7 starts each, by turns: 1.06 to 1.67 s (median 1.23, 0.34 of it in the kernel),
    and 1.19 to 1.73 s (1.37, 0.53) after memory that was only touched until that went no faster."""
    size = max(mmap.PAGESIZE, int(WHILE_LOADING * gib * GIB))
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for place in range(0, size, mmap.PAGESIZE):
            memory[place] = 1
        time.sleep(seconds)


def each_key(fill, used, keys):
    """Bytes that a key takes: those of the first ones are not counted, nor is what came with them once."""
    first = min(FIRST_KEYS, keys // 2)
    fill(first)
    before = used()
    fill(keys)
    return (used() - before) / (keys - first)


def expiring_at(run, keys):
    """Bytes of a key that has an expiry."""
    with run.machine.ours() as server:
        return each_key(lambda count: run.bench.load(server, count, words=("--expire-in", "1d")), server.resident_bytes, keys)


def ours_at(run, keys, data):
    """Leaves a snapshot: it stops well."""
    with run.machine.ours("snapshot", data, FLAGS) as server:
        size = each_key(lambda count: run.bench.load(server, count), server.resident_bytes, keys)
        return {"bytes": size, "load": [], "gib": server.resident_bytes() / GIB}


def redis_at(run, keys, data):
    def info(server, name):
        return int(re.search(rf"^{name}:(\d+)", redis_cli(run.machine, server, "INFO"), re.M).group(1))

    with run.machine.redis(data=data) as server:
        size = each_key(lambda count: fill_redis(run.machine, server, count), lambda: info(server, "used_memory"), keys)
        redis_cli(run.machine, server, "SAVE")
        return {"bytes": size, "load": [], "gib": server.resident_bytes() / GIB}


def store_at(run, keys):
    """The store alone: bytes a key without and with expiries, and seconds to fill it by one thread."""
    program = run.machine.program("bench/kvstore_store_bench")
    plain = run.machine.output(program, "--keys", str(keys), "memory")
    expiring = run.machine.output(program, "--keys", str(keys), "--expiry", "memory")
    each = [float(re.search(r"resident=([\d.]+)", text).group(1)) for text in (plain, expiring)]
    return *each, float(re.search(r"seconds=([\d.]+)", plain).group(1))


def against(run, part):
    part.section("What an operation costs, against what it works on", "Server CPU of an operation in microseconds, nothing on disk, half "
                 "Get and half Set. One thing changes at a time; the rest is values of 64 bytes, 4 connections, 64 calls in flight "
                 "(pipeline: 16 messages of 128); against connections as many calls in flight as the most connections, whatever their "
                 "number.")
    pipeline = ("--api", "pipeline", "--pipeline-depth", 128, "--closed", 16)
    unary = ("--api", "unary", "--closed", 64)
    log = ("set logscale x", "set yrange [0:*]")

    single, many, rows = [], [], []
    for keys in run.size.curve_keys:
        with run.machine.ours() as server:
            run.bench.load(server, keys)
            single.append((keys, cost(run, server, *MIXED, *unary, "--keys", keys)))
            many.append((keys, cost(run, server, *MIXED, *pipeline, "--keys", keys)))
        rows.append((figures.count(keys), f"{single[-1][1]:.2f}", f"{many[-1][1]:.3f}"))
    part.keep("keys", {"unary": single, "pipeline": many})
    part.table(("keys", "unary, us", "pipeline, us"), rows)
    part.chart("cost_keys", "CPU of an operation against the number of keys", "keys", "microseconds",
               (("unary", single), ("pipeline, 128 a message", many)), log)

    gets, sets, rows = [], [], []
    for value in run.size.curve_values:
        # Together at most 64 MiB.
        keys = max(16, min(1000, (64 << 20) // value))
        with run.machine.ours() as server:
            run.bench.load(server, keys, value)
            words = (*unary, "--keys", keys, "--value-bytes", value)
            gets.append((value, cost(run, server, *GET, *words)))
            sets.append((value, cost(run, server, *SET, *words)))
        rows.append((f"{value:,} B", f"{gets[-1][1]:.2f}", f"{sets[-1][1]:.2f}"))
    part.keep("values", {"Get": gets, "Set": sets})
    part.table(("value", "Get, us", "Set, us"), rows)
    part.chart("cost_values", "CPU of an operation against the size of the value", "bytes", "microseconds",
               (("Get", gets), ("Set", sets)), ("set logscale xy",))

    points, rows = [], []
    for connections in run.size.curve_connections:
        with run.machine.ours() as server:
            run.bench.load(server, run.size.unary_keys)
            points.append((connections, cost(run, server, *MIXED, "--closed", max(run.size.curve_connections), "--channels",
                                             connections, "--keys", run.size.unary_keys)))
        rows.append((connections, f"{points[-1][1]:.2f}"))
    part.keep("connections", points)
    part.table(("connections", "unary, us"), rows)
    part.chart("cost_connections", "CPU of an operation against connections", "connections", "microseconds",
               (("unary", points),), log)


def cost(run, server, *words):
    return figures.median([run.bench.run(server, *words, "--load", "no")["cpu"] for _ in range(run.size.curve_rounds)])
