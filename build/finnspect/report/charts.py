"""Charts as SVG text: drawn by matplotlib, with title and description, patterns as well as colour."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Width of a chart, pixels: what a phone shows without shrinking it much.
WIDTH = 430
_DPI = 72  # one unit of the picture is a point
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "finnspect",
    "font.size": 11,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
}
#: Colours that differ in brightness, each with a pattern of its own.
COLOURS = ("#14507a", "#e8a33d", "#7fb7a3", "#b0413e", "#5f5aa2", "#8a8f3c", "#4b9cd3", "#c68fb5")
PATTERNS = ("", "///", "...", "\\\\\\", "xxx", "---", "++", "oo")
_GREY = "#d9dee3"
#: Classes whose confusion matrix is as wide as the other charts; with more it is wider.
FEW = 8
#: Cells of a floor plan that belong to no layer.
REST = "rest"


def shorten(name: str, most: int = 20) -> str:
    """Return a name in at most so many characters: the middle goes, for ends tell layers apart."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def _svg(
    name: str, height: float, draw: Callable[[Axes], None], title: str, text: str, width: float = WIDTH
) -> str:
    """Return a chart as an SVG element.

    Parameters
    ----------
    name
        Begins the identifiers in the picture, so that several share a page.
    height, width
        Pixels.
    draw
        Draws on the axes.
    title, text
        What a reader who does not see it hears.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return _embed(stream.getvalue(), name, title, text)


def _embed(document: str, name: str, title: str, text: str) -> str:
    """Make matplotlib's document an element of a page: own identifiers, title and description."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'xlink:href="#{name}-')
    head, rest = svg[: svg.index(">")], svg[svg.index(">") + 1 :]
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    assert box is not None, "matplotlib writes a viewBox"
    return (
        f'<svg class="chart" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'viewBox="0 0 {box[1]} {box[2]}" width="{float(box[1]):.0f}" height="{float(box[2]):.0f}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(text)}</desc>{rest}'
    )


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [shorten(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def shares(name: str, rows: Sequence[tuple[str, float, str]], title: str, most: float = 1.0) -> str:
    """Return horizontal bars of shares of 1 on a grey ground, each with its text.

    Parameters
    ----------
    rows
        (what, share, text at the bar).
    """

    def draw(axes: Axes) -> None:
        for index, (_, share, text) in enumerate(rows):
            axes.barh(index, most, color=_GREY, height=0.36)
            over = share > most
            axes.barh(index, min(share, most), color=COLOURS[3 if over else 0], height=0.36,
                      hatch="xx" if over else "", edgecolor="white", linewidth=0)  # fmt: skip
            axes.text(0, index - 0.27, text, va="bottom", ha="left", fontsize=10)
        axes.set_xlim(0, most)
        _rows(axes, [row[0] for row in rows])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100 %"])
        axes.set_ylim(len(rows) - 0.6, -0.85)
        axes.spines["left"].set_visible(False)

    words = "; ".join(f"{what}: {100 * share:.1f} %, {text}" for what, share, text in rows)
    return _svg(name, 34 + 40 * len(rows), draw, title, words)


def groups(
    name: str, names: Sequence[str], series: Mapping[str, Sequence[float]], title: str, unit: str
) -> str:
    """Return horizontal bars, several a row: one a series, with a pattern each."""

    def draw(axes: Axes) -> None:
        thick = 0.8 / len(series)
        for number, (label, values) in enumerate(series.items()):
            at = [index - 0.4 + thick * (number + 0.5) for index in range(len(names))]
            axes.barh(at, values, height=0.92 * thick, label=label, color=COLOURS[number],
                      hatch=PATTERNS[number], edgecolor="white", linewidth=0)  # fmt: skip
        _rows(axes, names)
        axes.set_xlabel(unit)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="x", nbins=5)
        if len(series) > 1:
            across = 2 if max(map(len, series)) < 20 else 1
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=across, frameon=False, fontsize=10)

    words = "; ".join(
        f"{label}: " + ", ".join(f"{n} {v:,.0f}" for n, v in zip(names, values, strict=True))
        for label, values in series.items()
    )
    return _svg(
        name, 60 + 18 * len(series) + (14 + 12 * len(series)) * len(names), draw, title, f"{unit}. {words}"
    )


def period(name: str, parts: Sequence[tuple[str, float]], title: str, width: float | None = None) -> str:
    """Return one bar made of parts, nanoseconds; a negative last part reaches beyond the period."""

    def draw(axes: Axes) -> None:
        at = 0.0
        for number, (label, value) in enumerate(parts):
            axes.barh(0, value, left=at, height=0.5, color=(*COLOURS[:2], _GREY)[number % 3],
                      hatch=PATTERNS[number], edgecolor="white", linewidth=0,
                      label=f"{label} {value:.2f} ns")  # fmt: skip
            at += value
        axes.set_yticks([])
        axes.set_ylim(-0.3, 1.5)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("ns")
        axes.legend(loc="upper center", ncols=len(parts), frameon=False, fontsize=10,
                    columnspacing=1.0, handlelength=1.4)  # fmt: skip

    words = ", ".join(f"{label} {value:.2f} ns" for label, value in parts)
    return _svg(name, 108, draw, title, words, width or WIDTH)


def matrix(name: str, counts: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> str:
    """Return a confusion matrix: rows are labels, columns are answers, every count written out."""
    size = 11 if len(classes) <= FEW else 10

    def draw(axes: Axes) -> None:
        shares = [[value / max(1, sum(row)) for value in row] for row in counts]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
        for y, row in enumerate(counts):
            for x, value in enumerate(row):
                strong = shares[y][x] > 0.6
                axes.text(x, y, str(value) if value else "·", ha="center", va="center", fontsize=size,
                          color="white" if strong else "black",
                          fontweight="bold" if value and x != y else "normal")  # fmt: skip
        short = [shorten(each, 16) for each in classes]
        if len(set(short)) < len(short):
            short = [f"{index + 1} {shorten(each, 13)}" for index, each in enumerate(classes)]
        axes.set_xticks(range(len(classes)), short, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(classes)), short)
        axes.set_xlabel("answer")
        axes.set_ylabel("label")
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)

    wrong = [
        f"{value} of {classes[y]} taken for {classes[x]}"
        for y, row in enumerate(counts)
        for x, value in enumerate(row)
        if value and x != y
    ]
    words = "; ".join(wrong) or "no mistake"
    if len(classes) <= FEW:
        return _svg(name, 110 + 42 * len(classes), draw, title, words)
    return _svg(name, 130 + 34 * len(classes), draw, title, words, 160 + 34 * len(classes))


def floor(name: str, tiles: Mapping[str, Sequence[Sequence[int]]], title: str) -> str:
    """Return a floor plan: the largest owners in colour and pattern with their names, the rest grey.

    Parameters
    ----------
    tiles
        Owner -> (column, row, cells) of every tile it has cells in; what belongs to nobody is ``rest``.
    """
    largest = sorted(tiles, key=lambda owner: (owner == REST, -sum(tile[2] for tile in tiles[owner])))
    markers = "sD^ovPX*"
    named = {owner: number for number, owner in enumerate(largest[: len(markers)]) if owner != REST}

    def draw(axes: Axes) -> None:
        for owner in largest:
            own = [tile for tile in tiles[owner] if tile[2]]
            number = named.get(owner)
            axes.scatter(
                [tile[0] for tile in own], [tile[1] for tile in own],
                s=[3 + min(tile[2], 16) * 0.5 for tile in own], linewidths=0,
                marker="." if number is None else markers[number],
                color="#9aa3ab" if number is None else COLOURS[number],
                label=None if number is None else owner, rasterized=True,
            )  # fmt: skip
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.set_xlabel("column")
        axes.set_ylabel("row")
        for owner, (x, y) in _places({owner: tiles[owner] for owner in named}).items():
            axes.text(x, y, owner, ha="center", va="center", fontsize=10,
                      bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1})  # fmt: skip
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=10,
                    markerscale=2.5, columnspacing=1.0, handletextpad=0.2)  # fmt: skip

    words = ", ".join(f"{owner} in {len(tiles[owner])} tiles" for owner in largest)
    return _svg(name, 470, draw, title, words)


def _places(tiles: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, tuple[float, float]]:
    """Return where each owner's name stands: at its middle tile, moved down where another name is."""
    placed: dict[str, tuple[float, float]] = {}
    rows = [tile[1] for own in tiles.values() for tile in own]
    line = (max(rows) - min(rows) + 1) / 20 if rows else 0.0
    for owner, own in tiles.items():
        x, y = (sorted(tile[axis] for tile in own)[len(own) // 2] for axis in (0, 1))
        while any(abs(y - other) < line and abs(x - at) < 6 * line for at, other in placed.values()):
            y += line / 2
        placed[owner] = (x, y)
    return placed


def roofs(name: str, rows: Sequence[tuple[str, float, float, float]], title: str) -> str:
    """Return a roofline a layer: products a cycle as they are made, under the two roofs above them.

    Parameters
    ----------
    rows
        Layer; products a cycle made, that its units could make, that its input stream could feed.
    """
    kinds = (
        ("made", "o", COLOURS[0], 40),
        ("units' roof", "|", COLOURS[3], 200),
        ("stream's roof", ">", "#5a6773", 30),
    )

    def draw(axes: Axes) -> None:
        for index, (_, *values) in enumerate(rows):
            axes.plot([values[0], min(values[1:])], [index, index], color=COLOURS[0], linestyle=":", zorder=1)
        for number, (label, marker, colour, size) in enumerate(kinds):
            axes.scatter([row[number + 1] for row in rows], range(len(rows)), marker=marker, s=size,
                         color=colour, linewidths=2.5 if marker == "|" else 1, label=label)  # fmt: skip
        axes.set_xscale("log")
        _rows(axes, [row[0] for row in rows])
        axes.set_xlabel("products a cycle")
        axes.xaxis.set_major_formatter(_short)
        axes.grid(axis="x", color="#e3e7ea", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=10,
                    columnspacing=1.2, handletextpad=0.2)  # fmt: skip

    words = "; ".join(
        f"{layer}: {made:,.3g} of {units:,.0f} by its units, its stream could feed {fed:,.0f}"
        for layer, made, units, fed in rows
    )
    return _svg(name, 90 + 24 * len(rows), draw, title, f"Products a cycle. {words}")


def front(points: Sequence[tuple[float, float]], less_is_better: bool = True) -> list[int]:
    """Return the indices of the points that no other beats in both: cost (x) low, gain (y) high."""
    sign = 1 if less_is_better else -1
    return [
        index
        for index, (x, y) in enumerate(points)
        if not any(
            (sign * a <= sign * x and b >= y) and (a, b) != (x, y)
            for other, (a, b) in enumerate(points)
            if other != index
        )
    ]


def scatter(
    name: str,
    points: Sequence[tuple[str, float, float]],
    title: str,
    axes_names: tuple[str, str],
    bounds: tuple[float, float] = (0.0, math.inf),
) -> str:
    """Return named points with the front of those that no other beats: x low, y high.

    Parameters
    ----------
    bounds
        Least and most that y can be; the axis does not go beyond.
    """
    best = front([(x, y) for _, x, y in points])

    def draw(axes: Axes) -> None:
        line = sorted((points[index][1:] for index in best), key=lambda each: each[0])
        axes.plot(
            *zip(*line, strict=True),
            color="#555",
            linestyle="--",
            linewidth=1,
            zorder=1,
            drawstyle="steps-post",
        )
        for number, (_, x, y) in enumerate(points):
            on = number in best
            axes.scatter([x], [y], s=60, marker="o" if on else "s", zorder=2, clip_on=False,
                         color=COLOURS[0] if on else "white", edgecolors=COLOURS[0])  # fmt: skip
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        axes.margins(0.18)
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, bounds[0]), min(high, bounds[1]))
        axes.set_xlim(left=max(0.0, axes.get_xlim()[0]))
        _labels(axes, points)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_short)
        axes.locator_params(nbins=5)
        axes.grid(color="#e3e7ea", linewidth=0.6)
        axes.set_axisbelow(True)

    words = "; ".join(
        f"{label}: {axes_names[0]} {x:g}, {axes_names[1]} {y:g}{', on the front' if index in best else ''}"
        for index, (label, x, y) in enumerate(points)
    )
    return _svg(name, 300, draw, title, words)


def _labels(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write labels beside points, each moved up until it covers no other, with a line to its point then."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()

    def place(x: float, y: float) -> tuple[float, float]:
        return (x - left) / (right - left), (y - bottom) / (top - bottom)  # shares of the picture

    # Left, right, middle of what must not be covered: the points, then the labels.
    taken = [(at - 0.02, at + 0.02, up) for at, up in (place(x, y) for _, x, y in points)]
    for label, x, y in sorted(points, key=lambda point: (point[2], point[1])):
        at, start = place(x, y)
        wide = 0.02 * len(label) + 0.01
        begin = at + 0.025 if at + wide < 1 else at - 0.025 - wide
        middle = start
        while any(begin < b and a < begin + wide and abs(middle - m) < 0.055 for a, b, m in taken):
            middle += 0.02
        taken.append((begin, begin + wide, middle))
        line = {"arrowstyle": "-", "color": "#5a6773", "linewidth": 0.6} if middle > start + 0.05 else None
        axes.annotate(label, (x, y), (begin, middle), textcoords="axes fraction", va="center", fontsize=10,
                      bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.5},
                      arrowprops=line)  # fmt: skip


def _short(value: float, _position: Any = None) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.4g}"
