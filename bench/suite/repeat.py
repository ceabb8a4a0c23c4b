"""Whether two runs of the comparison found the same: ./dev bench --compare A B."""
import json
import math
import sys
from pathlib import Path

BOUND = 0.15  # what ratios of two runs on one machine may differ by


def read(folder):
    """Of each part its ratios, by name. `folder` is that of a run, or its parts."""
    parts = folder / "parts" if (folder / "parts").is_dir() else folder
    found = {}
    for path in sorted(Path(parts).glob("*.json")):
        part = json.loads(path.read_text())
        found[part["name"]] = part.get("ratios", {})  # a run of an older version has none
    return found


def differences(a, b, bound=BOUND):
    """Lines that say what differs by more; ratios that both have; those that only one has. A ratio that is no number, or nothing,
    in one of the two differs; one that has a side is the same on one side of it, however far apart."""
    lines, both, alone = [], 0, []
    for part in sorted(a.keys() | b.keys()):
        for name in sorted(a.get(part, {}).keys() | b.get(part, {}).keys()):
            one, other = (found.get(part, {}).get(name) for found in (a, b))
            if one is None or other is None:
                alone.append(f"{part}: {name}")
                continue
            both += 1
            side = one.get("side")
            one, other = one["middle"], other["middle"]
            if one == other or (side is not None and (one > side) == (other > side)):
                continue
            # The larger one, of the smaller: the same for A and B as for B and A.
            least, most = sorted((one, other))
            apart = most / least - 1 if least > 0 and math.isfinite(most) else math.inf
            if not apart <= bound:
                lines.append(f"{part}: {name}: {one:.3g} and {other:.3g}, {100 * apart:.0f} % apart")
    return lines, both, alone


def compare(folder_a, folder_b):
    """0: all that both have is the same within the bound. 1: something is not, or there is nothing to compare."""
    try:
        lines, both, alone = differences(read(folder_a), read(folder_b))
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        print(f"./dev bench: no finds of ./dev bench: {type(wrong).__name__}: {wrong}", file=sys.stderr)
        return 1
    for line in lines:
        print(line)
    for name in alone:
        print(f"{name}: only in one of the two")
    if not both:
        print(f"./dev bench: {folder_a} and {folder_b} have no ratio in common", file=sys.stderr)
        return 1
    print(f"{both} ratios, {len(lines)} of them more than {100 * BOUND:.0f} % apart")
    return 1 if lines else 0
