"""What ./dev bench makes of runs, on runs that are made up: the order in which it asks, and what it says of what it hears.

Called by suite.py.
"""
import contextlib
import json
import math
import mmap
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

from suite import compare, costs, figures, forks, hot_functions, loads, pauses, processes, profile, targets
from suite_world import Page, Server, World, all_rounds, check


def ratios_have_a_geometric_mean():
    check(figures.ratio([2, 16], [1, 2]) == {"middle": 4, "least": 2, "most": 8}, f"{figures.ratio([2, 16], [1, 2])}")
    # The same whichever is above; the round without a figure says nothing.
    check(round(figures.ratio([1, 2, 3], [2, 16, 0])["middle"], 9) == 0.25, f"{figures.ratio([1, 2, 3], [2, 16, 0])}")
    check(figures.ratio([0, 1], [1, 1]) == {"middle": 0, "least": 0, "most": 1}, "nothing, of something")
    check(math.isnan(figures.ratio([1], [0])["middle"]) and figures.text(figures.ratio([1], [0])).startswith("nothing"), "of nothing")


def what_is_compared_is_asked_in_turn_and_in_turn_first():
    check(figures.in_turn("abc", 0) == ["a", "b", "c"] and figures.in_turn("abc", 1) == ["c", "b", "a"], "the order does not turn")
    world = World(rounds=2)
    all_rounds(compare.null(world, Page()))
    order = [name for name, _ in world.asked]
    check(order == (["empty", "ours"] * 4 + ["ours", "empty"] * 4) * 2, f"asked {order}")
    world = World(rounds=2, answers=[{"cpu": cpu, "rate": 1.0} for cpu in [1.0, 2.0] * 4 + [4.0, 2.0] * 4])
    found = [compare.calls_of_both(world, number) for number in range(2)]
    check(all(each == [[1.0, 2.0], [2.0, 4.0]][number] for number in range(2) for each in found[number].values()), f"found {found}")


def a_round_in_slices_is_as_long_as_one_without():
    asked = []

    def load(name, rates):
        def one(seconds):
            asked.append((name, round(seconds, 3)))
            return {"rate": rates.pop(0), "cpu": 10.0 * len(rates)}
        return one

    found = figures.sliced(1.2, [load("a", [100, 300, 200]), load("b", [1, 1, 1])])
    check(asked == [("a", 0.4), ("b", 0.4), ("b", 0.4), ("a", 0.4), ("a", 0.4), ("b", 0.4)], f"asked {asked}")
    # CPU of all operations: 20, 10 and 0 us of 100, 300 and 200.
    check(found[0] == {"rate": 200, "cpu": 5000 / 600} and found[1] == {"rate": 1, "cpu": 10}, f"found {found}")
    check(figures.sliced(0.1, [load("c", [0])]) == [{"rate": 0, "cpu": 0}], "a slice without an operation")


def every_mode_takes_its_turn_in_every_slice():
    world, started = World(), []
    world.size.round_seconds = 2 * figures.SLICE_SECONDS
    world.ours = lambda mode, flags: Server(" ".join((mode, *flags)))
    world.syncing = lambda: started.append("disk") or contextlib.nullcontext()
    found = compare.all_kinds(world)
    order = [name for name, _ in world.asked]
    check(len(found) == 9 and order[:9] == order[:8:-1], f"asked {order}")
    check(len(set(order[:6])) == 6 and order[6:12] == ["empty", "logging", "empty"] * 2 and started == 2 * ["disk"], f"{order}, {started}")
    check(all("no" in words for _, words in world.asked), "a slice sets its keys first")


def a_signal_waits_until_a_child_was_looked_at():
    looked = []

    class Child:
        def poll(self):
            os.kill(os.getpid(), signal.SIGTERM)
            looked.append("whole")

    def end(*_):
        raise SystemExit

    before = signal.signal(signal.SIGTERM, end)
    try:
        processes.ended(Child())
        check(False, "no signal came")
    except SystemExit:
        check(looked == ["whole"], "a signal came in the middle")
    finally:
        signal.signal(signal.SIGTERM, before)


def what_is_there_once_is_no_key_s_memory():
    used = {"bytes": 0}

    def fill(keys):
        used["bytes"] = 1_000_000 + 100 * keys  # buffers, whoever fills

    check(costs.each_key(fill, lambda: used["bytes"], 10_000) == 100, "buffers count as keys' memory")
    check(costs.each_key(fill, lambda: used["bytes"], 1000) == 100, "few keys cannot be measured")


def memory_at_hand_is_held():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    held, real = [], costs.time
    costs.time = types.SimpleNamespace(sleep=lambda seconds: held.append((seconds, resident())))
    before = resident()
    try:
        costs.put_at_hand(0.1, 3)
        costs.put_at_hand(1e-6, 0)  # less than a page
    finally:
        costs.time = real
    seconds, most = held[0]
    check(seconds == 3 and most - before > 0.12 * costs.GIB, f"{(most - before) / costs.GIB:.3f} GiB are held for {seconds} s")
    check(resident() - before < 0.01 * costs.GIB, "memory is not given back")


def what_explains_a_load_is_kept_beside_it():
    used = processes.Process.cpu_parts(types.SimpleNamespace(pid=os.getpid()))
    spent = os.times()
    check(abs(used[0] - spent.user) < 1 and abs(used[1] - spent.system) < 1, f"{used}, not {spent}")
    apart = costs.two_at_once(mib=1)
    check(0 < apart < math.inf, f"{apart}")


def each_snapshot_tells_its_own_pause():
    lines = ["writers paused 9000 us\n"]
    world = World()
    world.client = lambda *_: lines.append("writers paused 2500 us\n")
    server = Server("ours")
    server.said = lambda: "".join(lines)
    check(forks.ours_once(world, server, 10) == 2.5, "not the pause of its snapshot")
    check(world.asked, "no writes before the fork")
    world.client = lambda *_: None
    try:
        forks.ours_once(world, server, 10)
    except RuntimeError:
        return
    check(False, "a snapshot without a pause is one with the pause before it")


def a_pause_is_for_each_gib_of_its_own_server():
    told = {}

    class Kept(Page):
        def target(self, name, found, limit):
            told[name] = found, limit

        def ratio(self, name, found):
            told[name] = found["middle"]

    forks.tell(Kept(), {"kvstore": {"gib": 2, "first": [99], "later": [4, 6, 8]}, "Redis": {"gib": 0.5, "first": [99], "later": [30, 10, 20]},
                        "kvstore, one key": {"gib": 0.01, "first": [99], "later": [1, 1, 1]}})
    found, limit = told["pause"]
    check(found == {"middle": 3, "least": 2, "most": 4}, f"the first one counts, or not each GiB: {found}")
    check("one key 1.00 ms" in limit and "40.0 ms a GiB" in limit, limit)
    check(told["later pauses a GiB, of Redis'"] == 3 / 40, f"{told}")


def a_profile_tells_its_own_functions_from_the_rest_of_the_program():
    found = profile.functions_of("""
    40.00%  libgrpc.so.29   [.] grpc_core::poll(int)
    20.00%  kvstore_server  [.] kv::Engine::get(std::string_view)
    10.00%  kvstore_server  [.] std::vector<kv::Shard>::at(unsigned long)
     5.00%  kvstore_server  [.] google::protobuf::Arena::Create<kvstore::v1::Entry>
    25.00%  [kernel.kallsyms]  [k] tcp_sendmsg
""")
    own, program, largest = profile.summed(found)
    check(round(own) == 30 and round(program) == 35, f"its own {own}, the program {program}")
    check([symbol for _, symbol in largest] == ["kv::Engine::get", "std::vector<kv::Shard>::at"], f"largest: {largest}")
    check([words for key, _, words in profile.LOADS if key == "get"] == [(*loads.GET, *compare.UNARY)], "not the load of the row")
    names = {name for name, *_ in profile.LOADS}
    check({"get", "set", "old get", "old set", "alone"} <= names, f"no load of a call that has a target: {names}")
    beside = targets.beside("get", "limit", {"shares": {"get": own}, "programs": {"get": program}})
    check(beside == "limit; own functions: 30 % of the server's time, the whole program 35 %", beside)


def a_profiled_server_has_as_many_keys_as_that_of_the_row():
    world, loaded, kinds = World(redis_keys=1000), {}, {}
    world.output = lambda *_: ""
    world.ours = lambda mode="non_persistent", **_: kinds.setdefault(len(kinds), Server(mode))
    world.load = lambda server, keys: loaded.update({server: keys})
    with profile.servers(world) as serves:
        for key, *_ in profile.LOADS:
            server, among = serves(key)
            check(loaded[server] == among == (1000 if key.startswith("pipeline") else 10), f"{key}: {loaded[server]} keys, {among} of them asked for")
            check(server.name == ("aof" if key in ("always", "alone") else "non_persistent"), f"{key} goes to {server.name}")


def a_list_of_hot_functions_is_held_against_a_program():
    seen = hot_functions.of_program("""
    40.00%  libgrpc.so.29   [.] poll
    20.00%  kvstore_server  [.] _ZN2kv3getEv
     5.00%  kvstore_server  [.] _ZN2kv3getEv.cold
     0.50%  kvstore_server  [k] sys_read
""")
    check(seen == [(20, "_ZN2kv3getEv"), (5, "_ZN2kv3getEv.cold")], f"{seen}")
    listed = hot_functions.names_in(hot_functions.script([name for _, name in seen]))
    check(listed == ["_ZN2kv3getEv"], f"what never runs is listed, or what runs is not: {listed}")
    sections = """
  [15] .text.calls       PROGBITS        0000000000001000 001000 000100 00  AX  0   0 16
  [16] .text             PROGBITS        0000000000001100 001100 000100 00  AX  0   0 16
"""
    symbols = "0000000000001000 T first\n00000000000010ff t last\n0000000000001100 T behind\n                 U elsewhere\n"
    told = hot_functions.judge(["first", "last", "behind", "elsewhere", "gone"], symbols, sections)
    check(told == (3, ["behind"]), f"{told}")
    check(hot_functions.judge(["first"], symbols, "") == (1, ["first"]), "no section, and all lie in it")
    places = hot_functions.addresses("1f T make\n1f T construct\n1f t make.localalias\n2f t local\n3f t local\n4f T a@@B_1\n")
    check(places["local"] == {0x2f, 0x3f} and len(places) == 3, f"{places}")
    named = hot_functions.with_aliases(["make", "local", "gone"], places)
    check(named == ["construct", "make", "local"], f"{named}")


def a_saturated_round_takes_nothing_from_the_others():
    def round_of(p99, saturated=False):
        return {"p99": p99, "max": 2 * p99, "saturated": saturated}

    undisturbed = [round_of(10), round_of(1, True), round_of(20), round_of(10), round_of(5)]
    runs = [round_of(30), round_of(40), round_of(10**9, True), round_of(50), round_of(5)]
    p99, longest, ratio, behind = pauses.summary(runs, undisturbed)
    check((p99, longest, behind) == (40, 70, "1 of 5 saturated"), f"{p99}, {longest}, {behind}: not the medians")
    # One undisturbed run was saturated: that is no round. Of the others, 3, 5 and 1, one is infinite.
    check((ratio["least"], ratio["middle"], ratio["most"]) == (1, 4, math.inf), f"{ratio}: not those of the rounds")
    p99, longest, ratio, behind = pauses.summary([round_of(1, True), round_of(1)], [round_of(1), round_of(1)])
    check((p99, longest, ratio["middle"], behind) == (None, None, math.inf, "1 of 2 saturated"),
          "half of the rounds kept no schedule, and there is a p99")
    check("saturated (1.00 to saturated)" in figures.text(ratio), figures.text(ratio))
    check(pauses.summary([round_of(1)], [round_of(1, True)])[2] is None, "a ratio to nothing")


def what_is_compared_with_all_is_asked_in_the_middle():
    check(pauses.round_of("nabcdef") == tuple("abcndef"), f"{pauses.round_of('nabcdef')}")


def redis_benchmark_is_told_how_many_from_the_last_rate():
    told, clock = [], iter((0.0, 0.5))
    rates = {"set": iter((100_000, 50_000)), "get": iter((200_000, 400_000))}

    def output(*command):
        test = command[command.index("-t") + 1]
        told.append((test, int(command[command.index("-n") + 1])))
        return f'"test","rps"\n"{test.upper()}","{next(rates[test])}"\n'

    machine, server = types.SimpleNamespace(output=output), types.SimpleNamespace(port=1, cpu_seconds=lambda: next(clock))
    benchmark = loads.RedisBenchmark(machine, server, 10, 1, 1)
    told.clear()
    found = benchmark.run(0.4)
    check(told == [("set", 20_000), ("get", 40_000)], f"{told}: not a fifth of a second each")
    # Half of the operations are of each kind: 1/50k and 1/400k of a second.
    check(round(found["rate"]) == 88_889 and found["cpu"] == 0.5 / 60_000 * 1e6, f"found {found}")


def a_missed_target_has_its_limit_shown_or_not():
    def said(found, shares=(), commit="a", name="set"):
        parts = {"null": {"targets": {name: {"least": 1, "most": 9, "limit": "", **found}}, "commit": "a", "error": None},
                 "profile": {"commit": commit, "data": {"shares": dict(shares), "programs": {}}}}
        return next(row[3] for row in targets.rows(parts) if row[0] == targets.TARGETS[name].what)

    check(said({"middle": 1.1}) == "met", "1.10 is at most 1.10")
    check(said({"middle": 1.2}) == "missed", "shown by nothing")
    check(said({"middle": 1.2, "bound": 1.15}) == "missed, limit shown", "what has nothing of ours misses it, too")
    check(said({"middle": 1.2, "bound": 1.05}) == "missed", "what has nothing of ours meets it")
    check(said({"middle": 1.2}, {"set": 9.9}) == "missed, limit shown", "less than a tenth is ours")
    check(said({"middle": 1.2}, {"set": 10}) == "missed", "a tenth is ours")
    check(said({"middle": 1.2}, {"set": 9}, commit="b") == "missed", "a profile of another commit")
    check(said({"middle": math.inf}) == "missed", "saturated is not met")


def saturation_is_the_median_of_three():
    world = World(answers=[{"rate": 1}, {"rate": 900}, {"rate": 800}])
    check(pauses.saturation(world, Server("ours")) == 800, "one run decides")


def connections_change_and_calls_in_flight_do_not():
    world = World(curve_keys=(), curve_values=(), curve_connections=(1, 10, 1000), curve_rounds=1)
    costs.against(world, Page())
    closed = {words[words.index("--closed") + 1] for _, words in world.asked}
    channels = [words[words.index("--channels") + 1] for _, words in world.asked]
    check(closed == {1000} and channels == [1, 10, 1000], f"{closed} in flight over {channels}")


def two_runs_are_the_same_within_15_percent_or_it_is_said(folder, program):
    def made(name, parts):
        (folder / name / "parts").mkdir(parents=True)
        for part, ratios in parts.items():
            ratios = {key: {"middle": median, "least": 0, "most": 9, **({"side": 2.0} if key == "p99" else {})}
                      for key, median in ratios.items()}
            (folder / name / "parts" / f"{part}.json").write_text(json.dumps({"name": part, "ratios": ratios}))

    def compared(a, b):
        done = subprocess.run([sys.executable, "-B", str(program), "--compare", str(folder / a), str(folder / b)],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    made("a", {"null": {"get": 1.0, "set": 2.0}, "redis": {"pipeline": 3.0}})
    made("near", {"null": {"get": 1.14, "set": 1.8}, "redis": {"pipeline": 3.0}})
    made("far", {"null": {"get": 1.0, "set": 1.7}, "redis": {"pipeline": math.nan}})
    made("calm", {"disturbed": {"p99": 1.2}})
    made("still calm", {"disturbed": {"p99": 1.9}})
    made("busy", {"disturbed": {"p99": 30.0}})
    made("saturated", {"disturbed": {"p99": math.inf}})
    made("part", {"null": {"get": 1.0}})
    made("other", {"etcd": {"write": 1.0}})
    code, said = compared("a", "near")
    check(code == 0 and "3 ratios, 0 of them" in said, f"{code}: {said}")
    for a, b in (("a", "far"), ("far", "a")):
        code, said = compared(a, b)
        check(code == 1 and "null: set" in said and "18 % apart" in said, f"{code}: {said}")
        check("redis: pipeline" in said and "null: get" not in said, said)
    for a, b in (("calm", "still calm"), ("busy", "saturated"), ("saturated", "busy")):
        code, said = compared(a, b)
        check(code == 0 and "1 ratios, 0 of them" in said, f"on one side of its bound: {code}: {said}")
    for a, b in (("calm", "busy"), ("saturated", "still calm")):
        code, said = compared(a, b)
        check(code == 1 and "disturbed: p99" in said, f"on both sides of its bound: {code}: {said}")
    code, said = compared("a", "part")
    check(code == 0 and "null: set: only in one" in said and "1 ratios" in said, f"{code}: {said}")
    for nothing in ("other", "no-such-run"):
        code, said = compared("a", nothing)
        check(code == 1 and "no ratio in common" in said, f"{code}: {said}")


def everything(folder, program):
    ratios_have_a_geometric_mean()
    what_is_compared_is_asked_in_turn_and_in_turn_first()
    a_round_in_slices_is_as_long_as_one_without()
    every_mode_takes_its_turn_in_every_slice()
    a_signal_waits_until_a_child_was_looked_at()
    what_is_there_once_is_no_key_s_memory()
    memory_at_hand_is_held()
    what_explains_a_load_is_kept_beside_it()
    each_snapshot_tells_its_own_pause()
    a_pause_is_for_each_gib_of_its_own_server()
    a_profile_tells_its_own_functions_from_the_rest_of_the_program()
    a_profiled_server_has_as_many_keys_as_that_of_the_row()
    a_list_of_hot_functions_is_held_against_a_program()
    a_saturated_round_takes_nothing_from_the_others()
    what_is_compared_with_all_is_asked_in_the_middle()
    redis_benchmark_is_told_how_many_from_the_last_rate()
    a_missed_target_has_its_limit_shown_or_not()
    saturation_is_the_median_of_three()
    connections_change_and_calls_in_flight_do_not()
    two_runs_are_the_same_within_15_percent_or_it_is_said(folder, program)
