"""Loads, and what came of them: kvstore_bench, redis-benchmark and kvstore_redis_load, one run each."""
import contextlib
import csv
import io
import json
import subprocess

from .processes import die_with_parent, plain_environment, undisturbed

SET, GET, MIXED = ("--preset", "set"), ("--preset", "get"), ("--preset", "mixed")
MANY_SETS = (*SET, "--closed", 256, "--channels", 4)  # what durability is measured with
ONE_AT_A_TIME = (*SET, "--closed", 1, "--channels", 1)


class Bench:
    def __init__(self, machine, size):
        self.machine, self.seconds, self.warm_up = machine, size.seconds, size.warm_up
        self.count = 0

    def command(self, server, words, seconds):
        self.count += 1
        result = self.machine.work / f"run{self.count}.json"
        seconds = seconds or self.seconds
        warm_up = min(self.warm_up, seconds / 2)  # a slice of a run has little to warm
        command = [self.machine.program("bench/kvstore_bench"), "run", "--target", server.target, "--server-pid",
                   str(server.pid), "--duration", f"{max(10, round(1000 * seconds))}ms", "--warmup",
                   f"{round(1000 * warm_up)}ms", "--json", str(result), *map(str, words)]
        return command, result

    def run(self, server, *words, seconds=None):
        """The JSON of `kvstore_bench run`, with the figures that are used most at its top."""
        return self.finish(self.start(server, *words, seconds=seconds))

    def sliced(self, server, *words, beside=contextlib.nullcontext):
        """For figures.sliced(): one slice of a load whose keys are there, while `beside` is done."""
        def load(seconds):
            with beside():
                return self.run(server, *words, "--load", "no", seconds=seconds)
        return load

    def start(self, server, *words, seconds=None):
        """The same in the background; finish() gives the JSON."""
        command, path = self.command(server, words, seconds)
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 env=plain_environment(), preexec_fn=die_with_parent)
        return child, path

    def finish(self, started):
        child, path = started
        try:
            errors = child.communicate()[1]
        finally:
            with undisturbed():
                if child.poll() is None:
                    child.kill()
                    child.wait()
        if child.returncode not in (0, 3):  # 3: saturated, which is a result
            raise RuntimeError(f"{' '.join(child.args)}: exit {child.returncode}: {errors.strip()}")
        result = json.loads(path.read_text())
        path.unlink()
        repeats = result["repeats"]
        if failed := repeats["failed"]["median"]:
            errors = [operation["errors"] for operation in result["operations"]]
            raise RuntimeError(f"{' '.join(child.args)}: {failed:.0f} operations failed: {errors}")
        result["rate"] = repeats["achieved_rate"]["median"]
        result["cpu"] = repeats["server_cpu_us"]["median"]
        result["p50"], result["p99"] = repeats["p50_us"]["median"], repeats["p99_us"]["median"]
        result["max"] = max(each["latency_us"].get("max", 0) for each in result["operations"])
        return result

    def load(self, server, keys, value_bytes=64, api="unary", words=()):
        """Sets every key once. The run behind it is a few reads of an open loop: those are answered by its end or after it, where a
        closed loop of a moment may see no answer on a busy machine."""
        self.run(server, *GET, "--rate", 1000, "--arrivals", "uniform", "--channels", 1, "--api", api, "--keys", keys,
                 "--value-bytes", value_bytes, *words, seconds=0.05)


class RedisBenchmark:
    """redis-benchmark, half of the time SET and half GET."""

    def __init__(self, machine, server, keys, depth, clients):
        self.machine, self.server, self.keys, self.depth, self.clients = machine, server, keys, depth, clients
        # It is told how many requests, not how long: a run takes the rates of the one before.
        self.rates = {test: self.once(test, 100 * depth + 2000) for test in ("set", "get")}

    def once(self, test, requests):
        out = self.machine.output("redis-benchmark", "-h", "127.0.0.1", "-p", str(self.server.port), "-t", test, "-r",
                                  str(self.keys), "-d", "64", "-n", str(requests), "-P", str(self.depth), "-c",
                                  str(self.clients), "--csv")
        for row in csv.reader(io.StringIO(out)):
            if row and row[0].upper().startswith(test.upper()):
                return float(row[1])
        raise RuntimeError(f"redis-benchmark -t {test} says nothing of {test}: {out}")

    def run(self, seconds):
        """For figures.sliced(): about so long."""
        before, requests = self.server.cpu_seconds(), 0
        for test, rate in self.rates.items():
            count = max(2000, round(rate * seconds / 2))
            self.rates[test] = self.once(test, count)
            requests += count
        cpu = self.server.cpu_seconds() - before
        return {"rate": 2 / sum(1 / rate for rate in self.rates.values()), "cpu": cpu / requests * 1e6}


def redis_load(machine, server, command, *words):
    """kvstore_redis_load: its operations a second, and microseconds of server CPU each."""
    before = server.cpu_seconds()
    found = json.loads(machine.output(machine.program("bench/kvstore_redis_load"), command, "--port", str(server.port),
                                      *map(str, words)))
    return {"rate": found["rate"], "cpu": (server.cpu_seconds() - before) / max(1, found["operations"]) * 1e6}


def fill_redis(machine, server, keys, value_bytes=64):
    redis_load(machine, server, "fill", "--keys", keys, "--depth", 128, "--value-bytes", value_bytes)


def redis_cli(machine, server, *words):
    return machine.output("redis-cli", "-h", "127.0.0.1", "-p", str(server.port), *words)
