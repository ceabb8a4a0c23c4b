#!/usr/bin/env python3
"""suite.py SOURCE BUILD: ./dev bench at sizes that measure nothing, so that it still works when somebody wants figures.

Every part runs and says something; one that fails takes nothing from the others and is the exit code; and what is ended
in the middle leaves no server behind. No figure is looked at.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE, BUILD = Path(sys.argv[1]), Path(sys.argv[2])
BOUND_SECONDS = 120
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "bench"))

import suite_figures  # noqa: E402
import suite_turns  # noqa: E402
from suite import main, targets  # noqa: E402


def check(good, what):
    if not good:
        raise AssertionError(what)


def start(folder, *words, programs=BUILD):
    return subprocess.Popen([sys.executable, "-B", str(SOURCE / "scripts/bench"), "--smoke", "--programs", str(programs), "--folder",
                             str(folder), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(folder, *words, programs=BUILD):
    child = start(folder, *words, programs=programs)
    said = child.communicate(timeout=BOUND_SECONDS)[0]
    page = (folder / "report.md").read_text()
    check(not (folder / "work").exists(), "data is left behind")
    check(not servers_of(folder), "a server is left behind")
    return child.returncode, said, page


def servers_of(folder):
    """Processes with data below it."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes()
        except OSError:
            continue  # It has ended meanwhile.
        if str(folder / "work").encode() in command:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def every_part_says_something(folder):
    code, said, page = run(folder)
    check(code == 0, f"exit {code}:\n{said}")
    for target in targets.TARGETS.values():
        check(target.what in page, f"the table has no row '{target.what}'")
    for name, (_, needs) in main.PARTS.items():
        there = all(shutil.which(program) for program in needs)
        skipped = f"The part `{name}` was skipped" in page
        check(f"(`--only {name}`" in page and (there or skipped), f"{name} says nothing")
        check(not skipped or not there or name == "profile", f"{name} was skipped")  # A kernel may not let perf look.
    check("| met |" in page or "| missed |" in page, "no target was measured")
    done = subprocess.run([sys.executable, "-B", str(SOURCE / "scripts/bench"), "--compare", str(folder), str(folder)],
                          capture_output=True, text=True, timeout=BOUND_SECONDS)
    check(" ratios, " in done.stdout and not done.stdout.startswith("0 "), f"no ratio was kept: {done.stdout}{done.stderr}")
    if shutil.which("gnuplot"):
        for chart in page.split("](charts/")[1:]:
            check((folder / "charts" / chart.split(")")[0]).stat().st_size > 1000, f"chart {chart[:30]} is empty")


def a_part_that_fails_takes_nothing_from_the_others(folder, programs):
    for room in ("server", "client", "tools"):
        (programs / room).symlink_to(BUILD / room)
    (programs / "bench").mkdir()
    (programs / "bench/kvstore_bench").symlink_to(BUILD / "bench/kvstore_bench")
    (programs / "bench/kvstore_null_server").symlink_to(shutil.which("false"))
    code, said, page = run(folder, "--only", "null,against", programs=programs)
    check(code == 1, f"exit {code} after a part failed:\n{said}")
    check("The part `null` failed" in page and "null: failed" in page, "the page does not say that null failed")
    check("The part `against` failed" not in page, said)
    check("## One durable write, alone" in page and "## Latency against" in page, "what other parts found is gone")


def what_is_ended_leaves_nothing(folder):
    child = start(folder, "--only", "durable")
    end = time.monotonic() + BOUND_SECONDS
    while not servers_of(folder):
        check(time.monotonic() < end and child.poll() is None, "no server was started")
        time.sleep(0.005)  # Nobody tells.
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=BOUND_SECONDS)
    check(child.returncode == 128 + signal.SIGTERM, f"exit {child.returncode} after SIGTERM")
    check(not servers_of(folder), f"left behind: {servers_of(folder)}")
    check(not (folder / "work").exists(), "data is left behind")


with tempfile.TemporaryDirectory(prefix="bench-", dir=BUILD) as made:
    place = Path(made)
    suite_turns.everything(place)
    suite_figures.everything(place / "compared", SOURCE / "scripts/bench")
    (place / "programs").mkdir()
    every_part_says_something(place / "bench")
    a_part_that_fails_takes_nothing_from_the_others(place / "bench", place / "programs")
    what_is_ended_leaves_nothing(place / "bench")
