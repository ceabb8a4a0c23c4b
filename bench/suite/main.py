"""The command line of scripts/bench: which parts, how large, and what becomes of what they found."""
import argparse
import datetime
import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from . import compare, copies, costs, forks, pauses, profile, redis, repeat, sizes
from .loads import Bench
from .processes import Machine, Unavailable
from .report import Part, Report
from .turns import Ongoing, by_turns

# Each with the programs that it needs beside ours.
PARTS = {"null": (compare.null, ()), "durable": (compare.durable, ()),
         "redis": (redis.redis, ("redis-server", "redis-benchmark")), "etcd": (compare.etcd, ("etcd",)),
         "alone": (compare.alone, ()), "memory": (costs.memory, ("redis-server", "redis-cli")),
         "pause": (forks.pause, ("redis-server", "redis-cli")),
         "copies": (copies.copies, ("redis-server", "redis-cli")), "disturbed": (pauses.disturbed, ()), "against": (costs.against, ()),
         "latency": (pauses.latency, ()), "profile": (profile.profile, ("perf",))}


@dataclass(frozen=True)
class Run:
    machine: Machine
    bench: Bench
    size: sizes.Size


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def version_of(release):
    """Without what a builder has added to it."""
    return re.match(r"[\d.]*\d", release).group() if release[:1].isdigit() else release


def first_line(text):
    return text.splitlines()[0] if text else ""


def head(report, filesystem):
    parts = report.found().values()
    quick = " --quick" if any(part["size"] == "quick" for part in parts) else ""
    peers = [first_line(output_of("redis-server", "--version")).split(" sha")[0], first_line(output_of("etcd", "--version"))]
    lines = ["# Performance", "",
             f"Made by `./dev bench{quick}`; [bench.md](bench.md) says how it measures. Client and server share the machine, so "
             "rates are of both together; server CPU time an operation is the figure that lasts. A ratio is the geometric "
             "mean of the rounds' own ratios, other figures are medians; with the least and the most in parentheses.", "",
             f"{os.cpu_count()} cores, {processor()}, {platform.system()} {version_of(platform.release())}, data on {filesystem}; "
             + ", ".join(peer for peer in peers if peer) + "."]
    busy = [part for part in parts if part["load"] > 0.5 * os.cpu_count()]
    if busy:
        lines += ["", "The machine did other work when the run of these parts began: " +
                  ", ".join(f"{part['name']} (load {part['load']:.1f})" for part in busy) +
                  ". Rates and latencies suffer from that; ratios of CPU time suffer least."]
    if len(commits := sorted({part["commit"] for part in parts})) > 1:
        lines += ["", f"Its parts were measured at different commits: {', '.join(commits)}."]
    return lines


def arguments_of(arguments):
    options = argparse.ArgumentParser(prog="./dev bench", description="Compares the server with an empty one, Redis and etcd, and "
                                      "measures what things cost. Exit 1: a part failed; the others' figures are there.")
    which = options.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="shorter runs, fewer rounds: below ten minutes")
    which.add_argument("--smoke", action="store_true", help="next to nothing: only shows that all parts still work; parts whose "
                                                           "peers are not installed are skipped")
    options.add_argument("--only", help="these parts, separated by commas, the others stay as an earlier run left them: "
                                        + ", ".join(PARTS))
    options.add_argument("--record", action="store_true", help="put report and charts into docs/")
    options.add_argument("--programs", type=Path, help="the build folder; build/release")
    options.add_argument("--folder", type=Path, help="for data, finds and report; build/bench")
    options.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="measure nothing: two folders of earlier runs; "
                         "exit 1 when a ratio of theirs differs by more than 15 %%")
    given = options.parse_args(arguments)
    given.names = given.only.split(",") if given.only else list(PARTS)
    if unknown := [name for name in given.names if name not in PARTS]:
        options.error(f"no such part: {', '.join(unknown)}")
    if given.record and given.smoke:
        options.error("--smoke measures nothing that is worth a record")
    given.size = sizes.QUICK if given.quick else sizes.SMOKE if given.smoke else sizes.LONG
    return given


def rounds_of_part(part, run, smoke):
    """All that it does, round by round; never raises for what went wrong in it."""
    work, needs = PARTS[part.found["name"]]
    missing = [program for program in needs if not shutil.which(program)]
    if missing and smoke:
        part.found["skipped"] = f"{', '.join(missing)} not installed"
        return
    try:
        if missing:
            raise RuntimeError(f"{', '.join(missing)} not installed")
        yield from work(run, part) or ()  # Those without rounds are done at once.
    except Unavailable as reason:
        part.found["skipped"] = str(reason)
    except Exception as failure:  # Whatever it is, it is this part's.
        traceback.print_exc()
        part.found["error"] = f"{type(failure).__name__}: {failure}"


def finish_up(number, _):
    raise SystemExit(128 + number)  # Through every `with`: what was started is stopped.


def main(root, arguments):
    given = arguments_of(arguments)
    if given.compare:
        return repeat.compare(*given.compare)
    signal.signal(signal.SIGTERM, finish_up)
    folder = (given.folder or root / "build/bench").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"./dev bench: another one works in {folder}", file=sys.stderr)
            return 1
        return work_in(folder, root, given)


def parts_in(folder, root, given, machine):
    size = given.size
    report = Report(folder, list(PARTS))
    if not given.only:
        report.clear()
    commit = output_of("git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*") or "unknown"
    filesystem = machine.filesystem()
    if filesystem == "tmpfs":
        print(f"./dev bench: {folder} is memory: what is said of disks will be wrong", file=sys.stderr)
    load = os.getloadavg()[0]  # Later it is ours.
    failed, parts = [], {name: Part(name) for name in given.names}
    run = Run(machine, Bench(machine, size), size)

    def at_end(one):
        part = parts[one.name]
        when = {"size": size.name, "rounds": size.rounds, "seconds": size.round_seconds, "took": one.seconds, "load": load,
                "commit": commit, "time": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"}
        report.put(part, when)
        report.write(head(report, filesystem))
        word = "FAILED" if part.found["error"] else "skipped" if part.found["skipped"] else "done"
        failed.extend([one.name] if part.found["error"] else [])
        print(f"{one.name}: {word}, {one.seconds:.0f} s", file=sys.stderr, flush=True)

    by_turns([Ongoing(name, rounds_of_part(part, run, given.smoke)) for name, part in parts.items()], machine.end_round, at_end)
    return failed, report


def work_in(folder, root, given):
    with Machine((given.programs or root / "build/release").resolve(), folder / "work") as machine:
        failed, report = parts_in(folder, root, given, machine)
    print("\n".join(report.targets_table()))
    print(f"The whole report: {folder / 'report.md'}")
    if given.record:
        shutil.copy(folder / "report.md", root / "docs/performance.md")
        shutil.rmtree(root / "docs/charts", ignore_errors=True)
        shutil.copytree(folder / "charts", root / "docs/charts")
    if failed:
        print(f"./dev bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
