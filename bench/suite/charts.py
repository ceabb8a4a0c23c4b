"""Charts as SVG, drawn by gnuplot from what a part has found."""
import subprocess

SIZE = "size 820,440"
WIDE = "size 1200,440"
COLOURS = ("#2f6db3", "#d9822b", "#3a9d5d", "#8a5bb0")


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def beginning(path, chart, size=SIZE):
    return [f"set terminal svg {size} dynamic background rgb 'white' font 'sans-serif,13'", f"set output '{path}'",
            "set grid ytics lt 1 lw 0.5 lc rgb '#cccccc'", "set border 3", "set tics nomirror out", f"set ylabel {quoted(chart['y'])}",
            *(f"set linetype {number + 1} lc rgb '{colour}'" for number, colour in enumerate(COLOURS)),
            "set key outside bottom center horizontal"]


def block(name, rows):
    return [f"${name} << END", *(" ".join(str(value) for value in row) for row in rows), "END"]


def histogram(name, groups, bars):
    """The data of some bars side by side, and the words that plot them."""
    lines = block(name, [(quoted(label), *values) for label, values in groups])
    plots = [f"${name} using {number + 2}{':xtic(1)' if number == 0 else ''} title {quoted(bar)} noenhanced"
             for number, bar in enumerate(bars)]
    return lines, "plot " + ", ".join(plots)


def in_thousands(chart, lists):
    """Large figures are drawn as thousands, and the axis says so: the chart, and its lists of groups."""
    if max(float(value) for groups in lists for _, values in groups for value in values) < 10_000:
        return chart, lists
    return {**chart, "y": f"thousand {chart['y']}"}, [[(label, [float(value) / 1000 for value in values]) for label, values in groups]
                                                      for groups in lists]


def lines_script(path, chart):
    script = beginning(path, chart) + [f"set title {quoted(chart['title'])} noenhanced", f"set xlabel {quoted(chart['x'])}",
                                       "set style data linespoints", "set format x '%.0s%c'", *chart["settings"]]
    plots = []
    for number, (label, points) in enumerate(chart["curves"]):
        script += block(f"d{number}", points)
        plots.append(f"$d{number} using 1:2 title {quoted(label)} noenhanced lw 2 pt 7 ps 0.6")
    return script + ["plot " + ", ".join(plots)]


STYLE = ["set style data histograms", "set style histogram cluster gap 1", "set style fill solid 0.9 noborder",
         "set yrange [0:*]", "set offsets 0, 0, graph 0.05, 0"]


def bars_script(path, chart):
    chart, (groups,) = in_thousands(chart, [chart["groups"]])
    data, plot = histogram("d", groups, chart["bars"])
    key = [] if len(chart["bars"]) > 1 else ["unset key", "set bmargin 4"]
    return beginning(path, chart) + STYLE + key + [f"set title {quoted(chart['title'])} noenhanced", *data, plot]


def panels_script(path, chart):
    titles = [title for title, _ in chart["panels"]]
    chart, lists = in_thousands(chart, [groups for _, groups in chart["panels"]])
    script = beginning(path, chart, WIDE) + STYLE + ["set bmargin 7", "set xtics font ',11'"]
    data = [histogram(f"d{number}", groups, chart["bars"]) for number, groups in enumerate(lists)]
    for lines, _ in data:
        script += lines
    script.append(f"set multiplot layout 1,{len(data)} title {quoted(chart['title'])} noenhanced")
    for title, (_, plot) in zip(titles, data):
        script += [f"set title {quoted(title)} noenhanced", plot, "unset ylabel"]
    return script + ["unset multiplot"]


SCRIPTS = {"lines": lines_script, "bars": bars_script, "panels": panels_script}


def draw(path, chart):
    script = SCRIPTS[chart["kind"]](path, chart)
    done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"gnuplot: {path.name}: {done.stderr.strip()}")
