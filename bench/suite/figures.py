"""Middles, spreads and ratios of runs that alternated; figures as people write them."""
import math
import statistics


def median(values):
    return statistics.median(values)


def spread(values):
    return {"middle": median(values), "least": min(values), "most": max(values)}


def ratio(above, below):
    """Of each round's two runs, so that what hit both cancels: the geometric mean, least, most. Of ratios in few rounds it is found
    again better than their median (docs/decisions.md), and it is the same whichever of the two is above. A round too short for
    the clock, whose figure is 0, says nothing; without any other one the ratio is not a number."""
    found = [a / b for a, b in zip(above, below, strict=True) if b] or [math.nan]
    mean = math.exp(statistics.fmean(map(math.log, found))) if all(found) else 0.0
    return {**spread(found), "middle": mean}


def in_turn(things, number):
    """In their order in even rounds, from the back in odd ones: what drifts hits all of them alike."""
    return list(things) if number % 2 == 0 else list(reversed(things))


SLICE_SECONDS = 0.4


def sliced(seconds, loads):
    """One round of several loads, so long each, in slices by turns: what a machine does for seconds hits all of them. `loads`:
    functions that run one slice of so many seconds and tell its rate and CPU an operation. Of each load both, of all its slices."""
    slices = max(1, round(seconds / SLICE_SECONDS))
    found = [[] for _ in loads]
    for number in range(slices):
        for runs, load in in_turn(tuple(zip(found, loads, strict=True)), number):
            runs.append(load(seconds / slices))
    rates = [sum(run["rate"] for run in runs) for runs in found]
    return [{"rate": rate / slices, "cpu": sum(run["cpu"] * run["rate"] for run in runs) / rate if rate else 0.0}
            for runs, rate in zip(found, rates)]


def text(found, digits=2):
    """Infinite: a run had no such figure, because it was saturated."""
    middle, least, most = (f"{value:.{digits}f}" if math.isfinite(value) else "saturated" if value > 0 else "nothing"
                           for value in (found["middle"], found["least"], found["most"]))
    return f"{middle} ({least} to {most})"


def count(value):
    """Three digits that count."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def micros(value):
    return f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.0f} us"
