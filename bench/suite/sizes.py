"""How long and how large: the long run, the quick one, and one that only shows that everything still works."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    name: str
    rounds: int  # each with servers that were started for it
    durable_rounds: int  # beside Redis where something is written, which no bound is for
    round_seconds: float  # of each load in it
    # A process keeps the pages that it happened to get, and with them up to a tenth of what a call costs it: many processes say
    # more than long runs. So there are more rounds, shorter ones, of what takes little to begin, and most of what is near its bound.
    more_rounds: int
    many_rounds: int
    short_seconds: float  # of each load in one of those
    seconds: float  # of a measured run by itself
    warm_up: float
    unary_keys: int
    redis_keys: int
    memory_keys: tuple
    load_keys: tuple  # of memory_keys those that are also loaded
    loads: int  # of each file
    held_seconds: float  # memory, before each of them
    pause_keys: int
    pause_rounds: int
    snapshots: int  # of each server in one of them; the first is counted by itself
    curve_rounds: int
    curve_keys: tuple
    curve_values: tuple
    curve_connections: tuple
    shares: tuple  # of saturation
    disturbed_keys: int
    disturbed_rounds: int
    disturbed_seconds: float
    copy_rounds: int
    copy_seconds: float  # of load around a snapshot
    profile_seconds: float


VALUES = (16, 256, 4 << 10, 64 << 10, 1 << 20)
SHARES = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9)

LONG = Size("long",
            rounds=14, durable_rounds=11, round_seconds=1.2, more_rounds=20, many_rounds=28, short_seconds=0.8, seconds=3, warm_up=0.4,
            unary_keys=10_000, redis_keys=1_000_000, memory_keys=(1_000_000, 5_000_000),
            load_keys=(1_000_000, 5_000_000), loads=16, held_seconds=2.5, pause_keys=1_000_000, pause_rounds=3, snapshots=4,
            curve_rounds=2, curve_keys=(10_000, 100_000, 1_000_000, 10_000_000), curve_values=VALUES, curve_connections=(1, 10, 100, 1000),
            shares=SHARES, disturbed_keys=1_000_000, disturbed_rounds=12, disturbed_seconds=2.2, copy_rounds=5, copy_seconds=6, profile_seconds=4)
QUICK = Size("quick",
             rounds=3, durable_rounds=1, round_seconds=0.8, more_rounds=4, many_rounds=6, short_seconds=0.4, seconds=0.8, warm_up=0.2,
             unary_keys=10_000, redis_keys=1_000_000, memory_keys=(1_000_000, 5_000_000),
             load_keys=(5_000_000,), loads=3, held_seconds=2.5, pause_keys=1_000_000, pause_rounds=1, snapshots=4,
             curve_rounds=1, curve_keys=(10_000, 100_000, 1_000_000), curve_values=VALUES, curve_connections=(1, 10, 100, 1000),
             shares=(0.25, 0.5, 0.75, 0.9), disturbed_keys=500_000, disturbed_rounds=3, disturbed_seconds=1.2, copy_rounds=2, copy_seconds=3, profile_seconds=1.6)
# Under the tests of a busy machine a sync may take a tenth of a second, and a run in which nothing is answered is an error.
SMOKE = Size("smoke",
             rounds=1, durable_rounds=1, round_seconds=0.25, more_rounds=1, many_rounds=1, short_seconds=0.5, seconds=0.25, warm_up=0.01,
             unary_keys=200, redis_keys=500, memory_keys=(1000,),
             load_keys=(1000,), loads=1, held_seconds=0, pause_keys=1000, pause_rounds=1, snapshots=2,
             curve_rounds=1, curve_keys=(200, 400), curve_values=(16, 4096), curve_connections=(1, 10),
             shares=(0.1,), disturbed_keys=500, disturbed_rounds=1, disturbed_seconds=0.2, copy_rounds=1, copy_seconds=0.5, profile_seconds=0.3)
