"""What stands for a machine and its servers where the suite's own logic is tested."""
import types

from suite import loads


def check(good, what):
    if not good:
        raise AssertionError(what)


class Server:
    """One that does nothing, by name."""

    up = 0  # how many are

    def __init__(self, name, resident=()):
        self.name, self.resident, self.seconds_to_serve, self.pid = name, iter(resident), 1.0, 0

    def __enter__(self):
        Server.up += 1
        return self

    def __exit__(self, *_):
        Server.up -= 1

    def resident_bytes(self):
        return next(self.resident)

    def cpu_parts(self):
        return [0.5, 0.25]


class World:
    """A machine, its load generator and its sizes, which write down who was asked for what."""

    def __init__(self, rounds=2, answers=None, **sizes):
        self.asked = []
        self.machine = self.bench = self
        self.answers = answers
        self.size = types.SimpleNamespace(rounds=rounds, durable_rounds=rounds - 1, more_rounds=rounds + 1, many_rounds=2 * rounds,
                                          round_seconds=0.1, short_seconds=0.1, unary_keys=10, **sizes)

    def ours(self, *_, **__):
        return Server("ours")

    def null(self, *_, log=False):
        return Server("logging" if log else "empty")

    def load(self, server, keys, *_, **__):
        pass

    sliced = loads.Bench.sliced

    def run(self, server, *words, **_):
        self.asked.append((server.name, words))
        return self.answers.pop(0) if self.answers else {"cpu": 1.0, "rate": 1.0, "p50": 1.0}


class Page:
    """A part that keeps nothing."""

    def __getattr__(self, _):
        return lambda *_: None


def all_rounds(part):
    """Of a generator; how many there were."""
    count, last = 0, 0
    for share in part:
        check(Server.up == 0, "a server is up while other parts have their rounds")
        check(last < share <= 1, f"{share} of a part is done, after {last}")
        count, last = count + 1, share
    check(last == 1, f"{last} of a part is all")
    return count
