"""What the server is meant to reach, and what of it a run has found: the table at the top of the page."""
from . import figures


class Target:
    def __init__(self, part, what, most=None, least=None, unit="", digits=2):
        self.part, self.what, self.most, self.least, self.unit, self.digits = part, what, most, least, unit, digits

    def wanted(self):
        word, bound = ("at most", self.most) if self.least is None else ("at least", self.least)
        return f"{word} {bound:.{min(self.digits, 2)}f}{self.unit}"

    def met(self, value):
        return value <= self.most if self.least is None else value >= self.least


TARGETS = {
    "get": Target("null", "unary Get, no persistence, 64 in flight: server CPU, of an empty server's", most=1.10, digits=3),
    "set": Target("null", "unary Set, the same", most=1.10, digits=3),
    "old get": Target("null", "Get of the old service, the same", most=1.10, digits=3),
    "old set": Target("null", "Set of the old service, the same", most=1.10, digits=3),
    "always": Target("durable", "unary Set, fsync always, 256 in flight: rate, of that without persistence", least=0.85),
    "pipeline 16": Target("redis", "pipeline, messages of 16: rate, of redis-benchmark's at -P 16", least=1.5),
    "pipeline 128": Target("redis", "pipeline, messages of 128: rate, of redis-benchmark's at -P 128", least=2.5),
    "bytes 1M": Target("memory", "memory of a key, 1 M keys, without expiry", most=120, unit=" bytes", digits=0),
    "bytes 5M": Target("memory", "the same, 5 M keys", most=120, unit=" bytes", digits=0),
    "expiring 1M": Target("memory", "memory of a key, 1 M keys, each with an expiry", most=150, unit=" bytes", digits=0),
    "expiring 5M": Target("memory", "the same, 5 M keys", most=150, unit=" bytes", digits=0),
    "load 5M": Target("memory", "load of 5 M keys: time, of Redis' from its RDB file", most=0.5),
    "pause": Target("pause", "pause of the second and later snapshots, for each GiB", most=3, unit=" ms"),
    "p99": Target("disturbed", "p99 of writes during a snapshot, at half of saturation: of that without", most=2),
    "alone": Target("alone", "one durable write, alone: of a bare write and fdatasync and one call", most=1.20),
}


def rows(parts):
    """For every target: what, wanted, measured, verdict, limit. `parts`: name and what it found, as Part.kept() gives it."""
    for name, target in TARGETS.items():
        part = parts.get(target.part)
        found = part["targets"].get(name) if part else None
        if not found:
            why = "not run" if part is None else "failed" if part["error"] else "not in this run"
            yield target.what, target.wanted(), "", f"{target.part}: {why}", ""
            continue
        seen = profile_of(part, parts)
        yield (target.what, target.wanted(), figures.text(found, target.digits), verdict(name, target, found, seen),
               beside(name, found["limit"], seen))


OWN_SHARE = 10  # percent of the server's time: with less, what is left to gain is not in this tree


def profile_of(part, parts):
    """What the profile of the same commit has seen."""
    profile = parts.get("profile", {})
    return profile.get("data", {}) if profile.get("commit") == part.get("commit") else {}


def verdict(name, target, found, seen):
    """A target that is missed has its limit shown when what has nothing of ours in it misses it too, or when next to nothing of
    the time is spent in functions of ours."""
    if target.met(found["middle"]):
        return "met"
    bound, share = found.get("bound"), seen.get("shares", {}).get(name)
    shown = (bound is not None and not target.met(bound)) or (share is not None and share < OWN_SHARE)
    return "missed, limit shown" if shown else "missed"


def beside(name, limit, seen):
    """What the same run says beside it: also how much of the server's time its own functions take, where that was seen."""
    share, program = seen.get("shares", {}).get(name), seen.get("programs", {}).get(name)
    own = f"own functions: {share:.0f} % of the server's time" if share else ""
    if own and program:
        own += f", the whole program {program:.0f} %"
    return "; ".join(each for each in (limit, own) if each)
