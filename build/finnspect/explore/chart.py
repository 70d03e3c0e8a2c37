"""The front as a picture: the first two objectives as axes, the third as the size of the marks."""

from __future__ import annotations

import io
from typing import Any

from finnspect.explore.objectives import OBJECTIVES

_SMALL, _LARGE = 25, 260
#: Largest by smallest value from which an axis is logarithmic.
_LOG_FROM = 8


def _sizes(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    return [
        _SMALL + (_LARGE - _SMALL) * ((each - low) / (high - low) if high > low else 0) for each in values
    ]


def _axis(name: str, rows: list[dict[str, Any]]) -> str:
    kinds = "/".join(sorted({row["figures"][name]["kind"] for row in rows}))
    better = "more is better" if OBJECTIVES[name].sign > 0 else "less is better"
    return f"{OBJECTIVES[name].title} [{OBJECTIVES[name].unit}]\n{kinds}; {better}"


def _label(row: dict[str, Any], third: list[str]) -> str:
    """Return a trial's number, model and the figure that no axis shows."""
    more = [f", {row['figures'][name]['value']:,.0f} {OBJECTIVES[name].unit}" for name in third]
    return f"{row['trial']}: {row['model']}" + "".join(more)


def chart(document: dict[str, Any]) -> str | None:
    """Return an SVG picture of all complete trials; None with fewer than two objectives or no trial.

    Marks of the front are filled and carry the trial's number; the others are crosses.
    """
    names = [each["name"] for each in document["objectives"]]
    rows = [row for row in document["trials"] if row["state"] == "complete"]
    if len(names) < 2 or not rows:
        return None
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    with rc_context({"svg.hashsalt": document["study"], "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 5.5), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        vertical, horizontal = names[:2]
        sizes = [60.0] * len(rows)
        if len(names) > 2:
            sizes = _sizes([row["figures"][names[2]]["value"] for row in rows])
        places = [[row["figures"][name]["value"] for name in (horizontal, vertical)] for row in rows]
        least, most = (pick(place[0] for place in places) for pick in (min, max))
        spread = most / least if least > 0 else 1
        middle = (least * most) ** 0.5 if spread > _LOG_FROM else (least + most) / 2
        for row, place, size in zip(rows, places, sizes, strict=True):
            if row["trial"] in document["front"]:
                axes.scatter(*place, s=size, marker="o", color="#1f5a91", alpha=0.75)
                right = place[0] > middle  # text towards the middle
                axes.annotate(
                    _label(row, names[2:3]),
                    place,
                    xytext=(-6 if right else 6, 7),
                    textcoords="offset points",
                    ha="right" if right else "left",
                    size=8,
                )
            else:
                axes.scatter(*place, s=size, marker="x", color="#8a8a8a")
        if spread > _LOG_FROM:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.margins(0.12)
        if vertical == "accuracy":
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, 0), min(high, 1.02))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(_axis(horizontal, rows))
        axes.set_ylabel(_axis(vertical, rows))
        third = f"; larger marks: more {OBJECTIVES[names[2]].title}" if len(names) > 2 else ""
        axes.set_title(f"{document['study']}: filled marks are the Pareto front{third}", size=9)
        axes.grid(alpha=0.3)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
