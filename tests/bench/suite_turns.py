"""Which rounds the parts of ./dev bench have, with what servers, and in what order. Nothing is measured."""
import types
from pathlib import Path

from suite import compare, costs, forks, pauses, processes, redis, turns
from suite_world import Page, Server, World, all_rounds, check


def parts_have_their_rounds_by_turns():
    order, ends = [], []

    def part(name, count, fails_at=None):
        for number in range(count):
            if number == fails_at:
                return  # as rounds_of_part() does
            order.append(name)
            yield (number + 1) / count
        order.append("!")  # what it tells

    def at_once():
        order.append("o")
        yield from ()

    turns.by_turns([turns.Ongoing("a", part("a", 2)), turns.Ongoing("b", part("b", 4)), turns.Ongoing("o", at_once()),
                    turns.Ongoing("f", part("f", 4, fails_at=1))], lambda: order.append("."), lambda one: ends.append(one.name))
    check("".join(order) == "a.b.o.f.b..a!.b.b!.", f"{''.join(order)}: not the one that has done least")
    check(ends == ["o", "f", "a", "b"], f"ended {ends}")
    rounds = turns.rounds_of(2, lambda number: number + 10)
    check([next(rounds), next(rounds)] == [0.5, 1], "not the shares of two rounds")
    try:
        next(rounds)
    except StopIteration as end:
        check(end.value == [10, 11], f"{end.value}: not what the rounds found")


def only_what_stays_outlives_a_round(folder):
    folder.mkdir()
    with processes.Machine(folder, folder / "work") as machine:
        gone, stays = machine.folder(), machine.folder(stays=True)
        Path(f"{gone}.log").touch()
        machine.end_round()
        check(stays.is_dir() and not gone.exists() and not Path(f"{gone}.log").exists(), "not what was said to stay")
        check(machine.folder() not in (gone, stays), "a folder is given twice")
    check(not (folder / "work").exists(), "data is left behind")


def servers_are_started_for_each_round():
    """Which pages a process got decides a tenth of what a call costs it, for as long as it lives."""
    world, started = World(rounds=3), []
    for kind in ("ours", "null", "redis", "etcd"):
        setattr(world, kind, lambda *_, kind=kind, **__: started.append(kind) or Server(kind))
    all_rounds(compare.null(world, Page()))
    check(sorted(started) == ["null"] * 6 + ["ours"] * 6, f"null: {started}")
    started.clear()
    all_rounds(compare.etcd(world, Page()))
    check(sorted(started) == ["etcd"] * 4 + ["ours"] * 4, f"etcd: {started}")
    started.clear()
    world.bare_sync_micros = lambda: 1.0
    all_rounds(compare.alone(world, Page()))
    check(sorted(started) == ["null"] * 12 + ["ours"] * 12, f"alone: {started}")
    started.clear()
    real = redis.one_depth, redis.fill_redis, redis.bare_map
    redis.one_depth = lambda *_: {name: 1.0 for each in ("ours", "redis", "lean", "null") for name in (each, f"{each} cpu")}
    redis.fill_redis, redis.bare_map = (lambda *_: "1" for _ in range(2))
    world.size.redis_keys = 10
    try:
        count = all_rounds(redis.redis(world, Page()))
    finally:
        redis.one_depth, redis.fill_redis, redis.bare_map = real
    check(count == 7, f"{count} rounds: not three on no disk and two at each kind of sync")
    check(sorted(started) == ["null"] * 7 + ["ours"] * 7 + ["redis"] * 7, f"redis: {started}")


def files_are_loaded_in_turn():
    order = []

    def start(name):
        order.append(name)
        return Server(name)

    world = World(loads=2, held_seconds=7, memory_keys=(20, 10), load_keys=(10,))
    file = types.SimpleNamespace(is_file=lambda: True, read_bytes=lambda: order.append("read"))
    world.folder = lambda stays: types.SimpleNamespace(rglob=lambda _: [file])
    world.ours = lambda *_, **__: start("ours")
    world.redis = lambda **_: start("redis")
    real = costs.ours_at, costs.redis_at, costs.expiring_at, costs.store_at, costs.put_at_hand
    costs.ours_at, costs.redis_at = (lambda *_, gib=gib: {"bytes": 1, "load": [], "gib": gib} for gib in (1, 2))
    costs.expiring_at, costs.store_at = lambda *_: 1, lambda *_: (1, 1, 1)
    costs.put_at_hand = lambda gib, seconds: order.extend((gib, seconds))
    told = {}

    class Kept(Page):
        def keep(self, name, found):
            told[name] = found

    try:
        count = all_rounds(costs.memory(world, Kept()))
    finally:
        costs.ours_at, costs.redis_at, costs.expiring_at, costs.store_at, costs.put_at_hand = real
    check(count == 4, f"{count} rounds: not two of memory and two loads")
    check(order == ["read", 1, 7, "ours", "read", 2, 7, "redis", "read", 2, 7, "redis", "read", 1, 7, "ours"], f"had at hand and loaded {order}")
    check(len(told["10"]["ours"]["load"]) == len(told["10"]["redis"]["load"]) == 2, "a load is lost")
    check(told["20"]["ours"]["load"] == [], "a file is loaded that nobody asked for")
    check(told["10"]["redis"]["load cpu"] == [[0.5, 0.25]] * 2 and len(told["10"]["two at once"]) == 2, "what explains a load is lost")


def the_first_snapshot_of_each_server_is_counted_by_itself():
    pauses = iter(range(100))
    world = World(pause_keys=10, pause_rounds=2, snapshots=3)
    world.ours = lambda *_, **__: Server("ours", resident=[forks.GIB])
    world.redis = lambda: Server("redis", resident=[forks.GIB])
    told, real = {}, (forks.ours_once, forks.redis_once, forks.fill_redis)
    forks.ours_once = forks.redis_once = lambda *_: next(pauses)
    forks.fill_redis = lambda *_: None

    class Kept(Page):
        def keep(self, name, found):
            told[name] = found

    try:
        count = all_rounds(forks.pause(world, Kept()))
    finally:
        forks.ours_once, forks.redis_once, forks.fill_redis = real
    # Ours, one key, Redis, and back.
    check(count == 2 and told["kvstore"] == {"first": [0, 9], "later": [5, 6, 14, 15], "gib": 1}, f"{told}")
    check(told["Redis"] == {"first": [2, 11], "later": [3, 8, 12, 17], "gib": 1}, f"{told}")


def no_round_of_other_work_is_lost_between_servers():
    world, started, told = World(disturbed_keys=10, disturbed_rounds=4), [], {}
    world.ours = lambda *_, **__: started.append("ours") or Server("ours")
    real = pauses.while_running
    pauses.while_running = lambda *_: {"p99": 1.0, "max": 1.0, "saturated": False, "times": len(started)}

    class Kept(Page):
        def keep(self, name, found):
            told[name] = [one["times"] for one in found]

        def ratio(self, *_, **__):
            pass

    world.computing, world.writing = (lambda *_: Server("neighbour") for _ in range(2))
    try:
        count = all_rounds(pauses.disturbed(world, Kept()))
    finally:
        pauses.while_running = real
    check(count == 2 and all(rounds == [1, 1, 1, 2] for rounds in told.values()) and len(told) == 7, f"{count}: {told}")


def everything(folder):
    parts_have_their_rounds_by_turns()
    only_what_stays_outlives_a_round(folder / "rounds")
    servers_are_started_for_each_round()
    files_are_loaded_in_turn()
    the_first_snapshot_of_each_server_is_counted_by_itself()
    no_round_of_other_work_is_lost_between_servers()
