"""How long and how large: the long run, the quick one, and one that only shows that everything still works."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    name: str
    rounds: int  # each with servers that were started for it
    round_seconds: float  # of each load in it
    # A process keeps the pages that it happened to get, and with them up to a tenth of what a call costs it: many processes say
    # more than long runs. So there are more rounds, of half the length, of what takes little to begin, and most of what is near its bound.
    more_rounds: int
    many_rounds: int
    seconds: float  # of a measured run by itself
    warm_up: float
    unary_keys: int
    redis_keys: int
    memory_keys: tuple
    load_keys: tuple  # of memory_keys those that are also loaded
    loads: int  # of each file
    held_seconds: float  # memory, before each of them
    pause_keys: int
    snapshots: int
    curve_rounds: int
    curve_keys: tuple
    curve_values: tuple
    curve_connections: tuple
    shares: tuple  # of saturation
    disturbed_keys: int
    disturbed_rounds: int
    disturbed_seconds: float
    copy_seconds: float  # of load around a snapshot


VALUES = (16, 256, 4 << 10, 64 << 10, 1 << 20)
SHARES = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9)

LONG = Size("long", 7, 2, 14, 28, 3, 0.4, 10_000, 1_000_000, (1_000_000, 5_000_000), (1_000_000, 5_000_000), 9, 2.5, 1_000_000, 10, 2,
            (10_000, 100_000, 1_000_000, 10_000_000), VALUES, (1, 10, 100, 1000), SHARES, 1_000_000, 17, 2.2, 6)
QUICK = Size("quick", 3, 0.8, 6, 6, 0.8, 0.1, 10_000, 1_000_000, (1_000_000, 5_000_000), (5_000_000,), 3, 2.5, 1_000_000, 4, 1, (10_000, 100_000, 1_000_000), VALUES,
             (1, 10, 100, 1000), (0.25, 0.5, 0.75, 0.9), 500_000, 5, 1.2, 3)
SMOKE = Size("smoke", 1, 0.25, 1, 1, 0.25, 0.01, 200, 500, (1000,), (1000,), 1, 0, 1000, 2, 1, (200, 400), (16, 4096), (1, 10), (0.1,), 500, 1, 0.2, 0.5)
