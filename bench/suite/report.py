"""What the parts found, as a page of Markdown with charts.

A part's finds are kept as a file of JSON when it has ended, so that a page can be made of parts that ran one by one,
and one that fails takes nothing from the others.
"""
import json
import shutil

from . import charts, targets


def table(head, rows):
    return ["", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head),
            *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


class Part:
    """What one part found so far."""

    def __init__(self, name):
        self.found = {"name": name, "lines": [], "targets": {}, "ratios": {}, "charts": {}, "data": {}, "error": None, "skipped": None}

    def section(self, title, text):
        self.found["lines"] += ["", f"## {title}", "", text, ""]

    def table(self, head, rows):
        self.found["lines"] += table(head, rows)

    def target(self, name, found, limit, bound=None):
        """One of targets.TARGETS: its middle, least and most; what of it is not ours, where something says that; and `bound`, the
        same figure of what has nothing of ours in it: the empty server, the bare disk, the bare map."""
        self.found["targets"][name] = {**found, "limit": limit, "bound": bound}

    def ratio(self, name, found, side=None):
        """What a second run is to find again, within the bound of repeat.py: its middle, least and most. With `side` only whether it is
        above that: a percentile of a queue near saturation has no value that stays."""
        self.found["ratios"][name] = found if side is None else {**found, "side": side}

    def keep(self, name, data):
        self.found["data"][name] = data

    def chart(self, name, title, x, y, curves, settings=()):
        """`curves`: label and points."""
        self.draw(name, {"kind": "lines", "title": title, "x": x, "y": y, "curves": curves, "settings": settings})

    def bars(self, name, title, y, groups, bars):
        """`groups`: label and one value for each of `bars`."""
        self.draw(name, {"kind": "bars", "title": title, "y": y, "groups": groups, "bars": bars})

    def panels(self, name, title, y, panels, bars):
        """Side by side: title and groups."""
        self.draw(name, {"kind": "panels", "title": title, "y": y, "panels": panels, "bars": bars})

    def draw(self, name, chart):
        self.found["charts"][name] = chart
        self.found["lines"] += ["", f"![{chart['title']}](charts/{name}.svg)", ""]


class Report:
    def __init__(self, folder, names):
        self.folder, self.names = folder, names
        self.parts, self.charts = folder / "parts", folder / "charts"
        for made in (self.parts, self.charts):
            made.mkdir(parents=True, exist_ok=True)

    def clear(self):
        for old in (self.parts, self.charts):
            shutil.rmtree(old)
            old.mkdir()

    def put(self, part, when):
        """Keeps what a part found, and draws its charts where there is something to draw with."""
        found = {**part.found, **when}
        if shutil.which("gnuplot"):
            for name, chart in found["charts"].items():
                charts.draw(self.charts / f"{name}.svg", chart)
        (self.parts / f"{found['name']}.json").write_text(json.dumps(found, indent=1) + "\n")

    def found(self):
        paths = [self.parts / f"{name}.json" for name in self.names]
        return {path.stem: json.loads(path.read_text()) for path in paths if path.exists()}

    def targets_table(self):
        return table(("what", "target", "measured", "", "what else the same run says"), targets.rows(self.found()))

    def page(self, head):
        lines = [*head, "", "## Against the targets", "", "Ratios are geometric means of the rounds, other figures (p99 too) their medians, with the least and the most.", "",
                 *self.targets_table()]
        for part in self.found().values():
            lines += part["lines"]
            if part["error"]:
                lines += ["", f"**The part `{part['name']}` failed:** {part['error'].splitlines()[0]}", ""]
            if part["skipped"]:
                lines += ["", f"The part `{part['name']}` was skipped: {part['skipped'].splitlines()[0]}", ""]
            lines += [f"(`--only {part['name']}`: {part['size']} run, {part['rounds']} rounds of {part['seconds']:g} s, "
                      f"{part['took']:.0f} s in all, {part['time']}, commit {part['commit']}.)", ""]
        text = "\n".join(lines) + "\n"
        while "\n\n\n" in text:
            text = text.replace("\n\n\n", "\n\n")
        return text

    def write(self, head):
        (self.folder / "report.md").write_text(self.page(head))
