"""Rounds of all parts by turns: each part sees all of a run, not some minutes of it.

A shared machine changes for minutes: what one part finds in two minutes of a run another run does not find again. A part is
a generator. It yields after each of its rounds, when it has no server up, what share of its work is done; then other parts have their
rounds, the one that has done least first.
"""
import sys
import time


def rounds_of(count, one):
    """For a part: what one(number) gave in each round."""
    found = []
    for number in range(count):
        found.append(one(number))
        yield (number + 1) / count
    return found


class Ongoing:
    """One part that has begun, or will."""

    def __init__(self, name, rounds):
        self.name, self.rounds = name, rounds
        self.share, self.seconds = 0.0, 0.0

    def advance(self):
        """One round. Whether there is another one: behind the last it is told what there is to tell."""
        began = time.monotonic()
        try:
            self.share = next(self.rounds)
            if self.share >= 1:
                self.share = next(self.rounds)
        except StopIteration:
            self.share = 1.0
        self.seconds += time.monotonic() - began
        return self.share < 1


def by_turns(parts, after_round, at_end):
    """All rounds of `parts`. Calls after_round() after each, and at_end(part) after a part's last."""
    left, began, told = list(parts), time.monotonic(), 0
    while left:
        one = min(left, key=lambda part: part.share)  # the first of several
        more = one.advance()
        after_round()
        if not more:
            left.remove(one)
            at_end(one)
        tenths = int(10 * sum(part.share for part in parts) / len(parts))
        if left and tenths > told:
            told = tenths
            print(f"{10 * tenths} %, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
