"""The rows of tests/rows and the servers that they name, as they stand in the files (tests/rows/row.h)."""
import dataclasses
import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../rows")
# Started for each row; the others are started once.
KINDS_ANEW = ("state", "inner")


@dataclasses.dataclass
class Step:
    line: int
    kind: str  # call, soon, brief, begin, raw, fault, heal or restart
    method: str  # or the fault's name, or how the server ends
    request: str = ""
    answer: str = ""


@dataclasses.dataclass
class Row:
    file: str
    line: int
    name: str
    client_only: bool = False  # a C++ library's; these are stubs
    servers: list = dataclasses.field(default_factory=list)
    steps: list = dataclasses.field(default_factory=list)

    def is_told_on(self, server):
        if self.client_only:
            return False
        return server.name in self.servers if self.servers else server.kind not in KINDS_ANEW


@dataclasses.dataclass
class ServerKind:
    kind: str
    name: str
    level: str
    flags: list


def lines_of(name):
    """Number, depth and text of each line; deeper ones are part of the line they continue."""
    lines = []
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            depth = len(line) - len(line.lstrip(" "))
            if not text or text.startswith("#"):
                continue
            if depth > 2:
                lines[-1][2] += " " + text
            else:
                lines.append([number, depth, text])
    return lines


def step_of(line, text):
    first, _, rest = text.partition(" ")
    if first in ("fault", "heal", "restart"):
        return Step(line, first, rest)
    kind = "call"
    if first in ("soon", "brief", "begin", "raw"):
        kind, (first, _, rest) = first, rest.partition(" ")
    request, arrow, answer = rest.partition(" -> ")
    if bool(arrow) == (kind == "begin"):
        raise ValueError(f"line {line}: an answer is missing, or nobody waits for it")
    return Step(line, kind, first, request, answer)


def read_rows():
    rows = []
    for name in sorted(name for name in os.listdir(FOLDER) if name.endswith(".rows")):
        for line, depth, text in lines_of(name):
            if depth == 0:
                rows.append(Row(name, line, text.removeprefix("row ")))
            elif text.startswith("on "):
                rows[-1].servers = text.split()[1:]
            elif text.startswith("client only: "):
                rows[-1].client_only = True
            elif not text.startswith("stubs only: "):
                rows[-1].steps.append(step_of(line, text))
    return rows


def read_servers():
    return [ServerKind(words[0], words[1], words[2], words[3:])
            for words in (text.split() for _, _, text in lines_of("servers.txt"))]
