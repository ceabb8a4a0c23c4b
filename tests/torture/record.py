#!/usr/bin/env python3
# record.py ROOT WORK: what `./dev torture --record` leaves of runs that pass, fail, crash, hang or lie, and what the table
# of docs/durability.md makes of it. The scripts are those of ROOT; the programs are a line of shell each, in a repository
# of their own in WORK.
import os
import select
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

ROOT, WORK = (Path(argument).resolve() for argument in sys.argv[1:3])
PAGE = "docs/durability.md"
RESULTS = "docs/results/torture.tsv"
MARKS = "<!-- torture: made by scripts/torture_table -->\n<!-- torture: end -->\n"
ASKED = "kill\taof always\t20\tcycles\ttorture kill --mode aof --fsync always --record --cycles\n" \
        "faults\tevery call\t1\twhole\ttorture faults --record --cycles 1\n"
PASSES = r"printf 'RESULT\tkill\taof always\t10\t7\tkills=10\tpassed\n'"
KILL = ["kill", "--mode", "aof", "--fsync", "always", "--record"]


class Recording(unittest.TestCase):
    def setUp(self):
        self.tree = WORK / "record"
        shutil.rmtree(self.tree, ignore_errors=True)
        for name in ["torture", "torture_table"]:
            self.write(f"scripts/{name}", (ROOT / "scripts" / name).read_text(), executable=True)
        self.write(PAGE, MARKS)
        self.write(RESULTS, "")
        self.write("docs/results/asked.tsv", ASKED)
        self.write("core/code", "one")
        self.write(".gitignore", "build/\n")
        self.write("build/bin/ninja", '#!/bin/sh\necho "$@" >>build/built\n', executable=True)
        self.git("init", "-q")
        self.commit()

    def tearDown(self):
        shutil.rmtree(self.tree)

    def write(self, name, text, executable=False):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if executable:
            path.chmod(0o755)

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=self.tree, check=True)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "what is here")

    def program(self, shell, name="kill_loop", made="release"):
        self.write(f"build/{made}/tests/{name}", f"#!/bin/bash\n{shell}\n", executable=True)

    def run_script(self, name, *arguments):
        path = f"{self.tree}/build/bin:{os.environ['PATH']}"
        return subprocess.run([f"scripts/{name}", *arguments], cwd=self.tree, env={**os.environ, "PATH": path},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    # The fields of the only row.
    def recorded(self, shell, *arguments, code=1):
        self.program(shell)
        done = self.run_script("torture", *KILL, *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        rows = (self.tree / RESULTS).read_text().splitlines()
        self.assertEqual(len(rows), 1, rows)
        return rows[0].split("\t")

    # What the table's row of this suite says, by its columns' names.
    def row(self, suite):
        lines = [line.strip("| ").split(" | ") for line in (self.tree / PAGE).read_text().splitlines() if "|" in line]
        return next(dict(zip(lines[0], line)) for line in lines if line[0] == suite)

    def test_a_run_that_passes_is_recorded_with_the_commit_it_was_built_from(self):
        row = self.recorded(PASSES, code=0)
        self.assertEqual(row[2:], ["kill", "aof always", "10", "7", "kills=10", "passed"])
        self.assertFalse(row[1].endswith("+"))
        self.assertIn("-C build/release kill_loop kvstore_server", (self.tree / "build/built").read_text())

    def test_a_tree_with_a_new_file_is_no_commit(self):
        self.write("core/new", "two")
        self.assertTrue(self.recorded(PASSES, code=0)[1].endswith("+"))
        self.assertEqual(self.row("kill")["reached"], "0 (10 more with changes)")

    def test_a_crash_is_a_failed_run(self):
        row = self.recorded("echo seed 12; kill -ABRT $$")
        self.assertEqual(row[2:], ["kill", "aof always", "0", "12", "crashed=1", "FAILED"])
        self.assertEqual(self.row("kill")["failed"], "1")

    def test_a_run_that_says_nothing_is_a_failed_run(self):
        self.assertEqual(self.recorded("exit 0")[6:], ["crashed=1", "FAILED"])

    def test_a_run_that_passed_and_ends_badly_is_a_failed_run(self):
        self.assertEqual(self.recorded(PASSES + "; exit 2")[6:], ["kills=10", "FAILED"])

    def test_a_hang_is_a_failed_run_and_leaves_no_process(self):
        # Both hold the write end; a reader sees the end of the pipe when they are gone.
        os.mkfifo(self.tree / "build/alive")
        reader = os.open(self.tree / "build/alive", os.O_RDONLY | os.O_NONBLOCK)
        row = self.recorded("exec 9>build/alive; (trap '' TERM; sleep 1000) & sleep 1000", "--timeout", "1")
        self.assertEqual(row[6:], ["hung=1", "FAILED"])
        self.assertEqual(select.select([reader], [], [], 30)[0], [reader], "what the run left still lives")
        self.assertEqual(os.read(reader, 1), b"")
        os.close(reader)

    def test_a_fuzz_program_of_another_build_is_built_first(self):
        self.program("exit 77", "fuzz_manifest", "fuzz")
        self.run_script("torture", "fuzz", "--record", "--seconds", "1")
        self.assertIn("-C build/fuzz fuzz_manifest\n", (self.tree / "build/built").read_text())
        self.assertIn("manifest guided\t0\t-\tcrashed=1\tFAILED", (self.tree / RESULTS).read_text())

    def test_a_change_of_the_code_asks_for_a_tenth_again_and_leaves_the_page_right(self):
        self.program(PASSES)
        for _ in range(2):
            self.assertEqual(self.run_script("torture", *KILL).returncode, 0)
        self.assertEqual((self.row("kill")["reached"], self.row("kill")["since the last change"]), ("20", "20"))
        self.assertNotIn("torture kill", self.run_script("torture", "owed").stdout)
        self.write("core/code", "another")
        self.commit()
        self.assertEqual(self.run_script("torture_table").returncode, 0)
        owed = self.run_script("torture", "owed")
        self.assertEqual(owed.returncode, 1)
        self.assertIn("./dev torture kill --mode aof --fsync always --record --cycles 2\n", owed.stdout)
        self.assertEqual(self.run_script("torture_table", "--write").returncode, 0)
        self.assertEqual(self.row("kill")["since the last change"], "0, rerun owed")

    # Of the tree itself: what runs and is asked for nowhere is owed to nobody.
    def test_of_every_name_something_is_asked(self):
        listed = subprocess.run([ROOT / "scripts/torture", "list"], capture_output=True, text=True, check=True).stdout
        rows = [line.split("\t") for line in (ROOT / "docs/results/asked.tsv").read_text().splitlines()
                if line and not line.startswith("#")]
        self.assertEqual({line.split()[0] for line in listed.splitlines()}, {row[0] for row in rows})
        for suite, _, _, _, arguments in rows:
            self.assertIn(arguments.split()[:2], [["torture", suite], [suite, "--record"]])

    def test_a_page_without_a_recorded_run_is_not_right(self):
        self.assertEqual(self.run_script("torture_table", "--write").returncode, 0)
        self.assertEqual(self.run_script("torture_table").returncode, 0)
        self.write(RESULTS, "2026-01-01\tabc\tkill\taof always\t1\t7\tkills=1\tpassed\n")
        self.assertEqual(self.run_script("torture_table").returncode, 1)

    def test_programs_by_its_name_alone_runs_all_that_is_asked(self):
        says = r"""echo "$@" >>build/asked; printf 'RESULT\tprograms\tx\t1\t7\tcalls=1\tpassed\n'"""
        self.program(says, "program_loop")
        def cycles_of(*arguments):
            (self.tree / "build/asked").unlink(missing_ok=True)
            done = self.run_script("torture", *arguments)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return [line.split("--cycles ")[-1] for line in (self.tree / "build/asked").read_text().splitlines()]
        self.assertEqual(cycles_of("programs"), ["2500"] * 4)
        self.assertEqual(cycles_of("programs", "--cycles", "3"), ["3"] * 4)
        self.assertEqual(cycles_of("programs", "--mode", "snapshot"), ["2500"])
        self.assertEqual(cycles_of("--program", "program_loop"), ["100", "100", "200", "200"])

    def test_nothing_is_owed_when_all_of_it_was_run(self):
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.tree, capture_output=True, text=True,
                                check=True).stdout.strip()
        self.write(RESULTS, f"2026-01-01\t{commit}\tkill\taof always\t20\t7\tkills=20\tpassed\n"
                            f"2026-01-01\t{commit}\tfaults\tevery call\t900\t7\tstruck=900\tpassed\n")
        self.assertEqual(self.run_script("torture_table", "--write").returncode, 0)
        self.assertEqual(self.row("faults")["reached"], "all 900")
        owed = self.run_script("torture", "owed")
        self.assertEqual((owed.returncode, owed.stdout), (0, "torture: nothing is owed\n"))

    # A run of this commit's faults, in the results.
    def planted_run(self, variant, cycles):
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.tree, capture_output=True, text=True,
                                check=True).stdout.strip()
        with open(self.tree / RESULTS, "a") as results:
            results.write(f"2026-01-01\t{commit}\tplanted\t{variant}\t{cycles}\t7\tcaught={cycles} wrong=0\tpassed\n")

    def test_faults_that_have_changed_are_owed_until_they_have_been_noticed(self):
        self.write("docs/results/asked.tsv", "planted\tevery fault\t1\twhole\ttorture planted --record --cycles 0\n")
        self.write("tests/planted/one.patch", "one")
        self.commit()
        def owed():
            return [line for line in self.run_script("torture", "owed").stdout.splitlines() if line.startswith("./dev")]
        self.planted_run("changed faults", 1)
        self.assertEqual(owed(), ["./dev torture planted --record --cycles 0"])
        self.planted_run("every fault", 20)
        self.assertEqual(owed(), [])
        self.write("tests/planted/two.patch", "two")
        changed = ["./dev torture planted --record --cycles 0 --faults changed"]
        self.assertEqual(owed(), changed)
        self.commit()
        self.assertEqual(owed(), changed)
        self.planted_run("some faults", 1)
        self.assertEqual(owed(), changed)
        self.planted_run("changed faults", 1)
        self.assertEqual(owed(), [])
        self.write("tests/planted/one.patch", "another one")
        self.commit()
        self.assertEqual(owed(), changed)
        self.planted_run("changed faults", 2)
        self.write("core/code", "another")
        self.commit()
        self.assertEqual(owed(), ["./dev torture planted --record --cycles 2"])
        self.planted_run("some faults", 2)
        self.assertEqual(owed(), [])


del sys.argv[1:3]
unittest.main()
