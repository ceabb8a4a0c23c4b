"""What ./dev bench makes of runs, on runs that are made up: the order in which it asks, and what it says of what it hears.

Called by suite.py.
"""
import contextlib
import types

from suite import compare, costs, figures


def check(good, what):
    if not good:
        raise AssertionError(what)


class Server(contextlib.nullcontext):
    """One that does nothing, by name."""

    def __init__(self, name, resident=()):
        super().__init__(self)
        self.name, self.resident, self.seconds_to_serve, self.pid = name, iter(resident), 1.0, 0

    def resident_bytes(self):
        return next(self.resident)


class World:
    """A machine, its load generator and its sizes, which write down who was asked for what."""

    def __init__(self, rounds=2, answers=None, **sizes):
        self.asked = []
        self.machine = self.bench = self
        self.answers = answers
        self.size = types.SimpleNamespace(rounds=rounds, unary_keys=10, **sizes)

    def ours(self, *_, **__):
        return Server("ours")

    def null(self, *_, **__):
        return Server("empty")

    def load(self, server, keys, *_):
        pass

    def run(self, server, *words, **_):
        self.asked.append((server.name, words))
        return self.answers.pop(0) if self.answers else {"cpu": 1.0, "rate": 1.0, "p50": 1.0}


class Page:
    """A part that keeps nothing."""

    def __getattr__(self, _):
        return lambda *_: None


def what_is_compared_is_asked_in_turn_and_in_turn_first():
    check(figures.in_turn("abc", 0) == ["a", "b", "c"] and figures.in_turn("abc", 1) == ["c", "b", "a"], "the order does not turn")
    world = World(rounds=2)
    compare.null(world, Page())
    order = [name for name, _ in world.asked[:4]]
    check(order == ["empty", "ours", "ours", "empty"], f"asked {order}")


def what_is_there_once_is_no_key_s_memory():
    used = {"bytes": 0}

    def fill(keys):
        used["bytes"] = 1_000_000 + 100 * keys  # buffers, whoever fills

    check(costs.each_key(fill, lambda: used["bytes"], 10_000) == 100, "buffers count as keys' memory")
    check(costs.each_key(fill, lambda: used["bytes"], 1000) == 100, "few keys cannot be measured")


def files_are_loaded_in_turn():
    order = []

    def start(name):
        order.append(name)
        return Server(name)

    world = World(loads=2)
    world.folder = lambda: "folder"
    world.ours = lambda *_, **__: start("ours")
    world.redis = lambda **_: start("redis")
    real = costs.ours_at, costs.redis_at
    costs.ours_at = costs.redis_at = lambda *_: {"load": []}
    try:
        ours, theirs = costs.both_at(world, 10)
    finally:
        costs.ours_at, costs.redis_at = real
    check(order == ["ours", "redis", "redis", "ours"], f"loaded {order}")
    check(len(ours["load"]) == len(theirs["load"]) == 2, "a load is lost")


def everything():
    what_is_compared_is_asked_in_turn_and_in_turn_first()
    what_is_there_once_is_no_key_s_memory()
    files_are_loaded_in_turn()
