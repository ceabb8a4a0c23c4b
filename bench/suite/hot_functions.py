"""Which functions every call runs, as perf sees them, for server/hot_functions.ld; and what a program has made of that list.

The linker puts functions where their files stand in its command: those that a call runs lie among those that nobody runs for hours, on
three times as many pages and cache lines as they fill. Here they are asked for by name, the one that takes the most time first.
"""
import re

from . import profile
from .loads import GET, SET
from .redis import shape

LEAST = 0.03  # percent of a load's samples: five or so
SECTION = ".text.calls"
HEAD = f"""/* Functions that every call runs, beside each other; the linker finds all others by itself. Made by scripts/hot_functions, from
   what perf sees of the loads that ./dev bench measures. A name that is gone is looked for in vain, and harms nothing. */
SECTIONS
{{
  {SECTION} : {{
"""
TAIL = """  }
}
INSERT BEFORE .text;
"""


def found(run, symbols):
    """Their names as the linker knows them, the hottest first. `symbols` as nm tells them."""
    shares = {}
    loads = [(key, words) for key, _, words in profile.LOADS]
    loads += [("pipeline 16", (*words, *shape(16)[1])) for words in (GET, SET)]
    with profile.servers(run) as serves:
        for key, words in loads:
            server, among = serves(key)
            data = profile.recorded(run, server, (*words, "--keys", among, "--load", "no"))
            for share, symbol in of_program(profile.told(run, data, "--no-demangle")):
                shares[symbol] = max(share, shares.get(symbol, 0))
    hot = [symbol for symbol, share in sorted(shares.items(), key=lambda each: -each[1]) if share >= LEAST]
    return with_aliases(hot, addresses(symbols))


def of_program(text):
    lines = (re.match(r"\s*([\d.]+)%\s+kvstore_server\s+\[\.\]\s+(\S+)", line) for line in text.splitlines())
    return [(float(line[1]), line[2]) for line in lines if line]


def addresses(symbols):
    """Of each name where it stands: several places when files have functions of that name to themselves. No section is of what
    a library has, which stands there with its version, or of the compiler's second name for what its file calls itself."""
    places = {}
    for address, name in re.findall(r"^([0-9a-f]+) \w (\S+)$", symbols, re.M):
        if "@" not in name and not name.endswith(".localalias"):
            places.setdefault(name, set()).add(int(address, 16))
    return places


def with_aliases(names, places):
    """A function may have several names, as a constructor has: its section has one of them, and perf tells one of them."""
    named = {}
    for name, at in places.items():
        for place in at:
            named.setdefault(place, []).append(name)
    return list(dict.fromkeys(alias for name in names for place in places.get(name, ()) for alias in sorted(named[place])))


def script(names):
    """A function whose rare parts the compiler has split off has them in a section of their own, which no name here is of."""
    return HEAD + "".join(f"    *(.text.{name})\n" for name in names if not name.endswith(".cold")) + TAIL


def names_in(text):
    return re.findall(r"^ *\*\(\.text\.(\S+)\)$", text, re.M)


def judge(listed, symbols, sections):
    """Of a list: how many names the program has, and those of them that have no place in the section for them. `symbols` and
    `sections` as nm and readelf tell them."""
    places = addresses(symbols)
    bounds = re.search(rf"\s{re.escape(SECTION)}\s+PROGBITS\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)", sections)
    begin, size = (int(each, 16) for each in bounds.groups()) if bounds else (0, 0)
    there = [name for name in listed if name in places]
    return len(there), [name for name in there if not any(begin <= place < begin + size for place in places[name])]
