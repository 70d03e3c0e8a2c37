"""The charts of a report's page, and the pictures of its training run."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

from finnspect.errors import ConfigError
from finnspect.report import charts
from finnspect.report.model import Figure, Report
from finnspect.report.tables import best, main_cells, real_names

#: Pictures of a training run, and what they show.
_PICTURES = {
    "mistakes": "The worst mistakes on the test set",
    "curves": "Scores of the classes on the test set",
}


def _data(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def report_charts(report: Report, folder: Path | None) -> dict[str, str]:
    """Return the charts that the report has figures for, SVG by name."""
    found = {"resources": _resource_chart(report), "busy": _busy_chart(report)}
    detail = report.detail
    real = real_names(report)
    if detail is not None and real:
        rows = [layer for layer in report.layers if real[0] in detail.cells.get(layer.name, {})]
        key = "lut" if real[0].startswith("LUT") else real[0].lower()
        series = {
            "estimated": [_value(layer.resources.get(key)) for layer in rows],
            "post-synthesis": [detail.cells[layer.name][real[0]].value for layer in rows],
        }
        found["cells"] = charts.groups(
            "cells", [layer.name for layer in rows], series, f"{real[0]} by layer", f"cells ({real[0]})"
        )
    rows = products(report)
    if rows:
        found["roofs"] = charts.roofs("roofs", rows, "Products a cycle of each layer, and its roofs")
    if detail is not None and detail.timing.slack is not None:
        found["timing"] = _timing_chart(report)
    confusion = report.package.metrics.get("test_confusion")
    if confusion and len(confusion) <= 20:
        found["confusion"] = charts.matrix(
            "confusion", confusion, report.package.classes, "Confusion matrix of the test set"
        )
    tiles = _tiles(report, folder)
    if tiles:
        found["floor"] = charts.floor("floor", tiles, "Floor plan")
    return found


def _value(figure: Figure | None) -> float:
    return 0 if figure is None else figure.value


def _resource_chart(report: Report) -> str:
    rows = []
    for name in main_cells(report):
        found = best(report, name)
        if found is not None and found.available:
            text = f"{found.used.value:,.0f} of {found.available:,} ({found.used.kind})"
            rows.append((name, found.used.value / found.available, text))
    return charts.shares("resources", rows, "Resources against the device") if rows else ""


def _busy_chart(report: Report) -> str:
    frame = report.performance.cycles_per_frame.value
    rows = []
    for layer in report.layers:
        figure = layer.cycles_simulated or layer.cycles_bound
        rows.append((layer.name, figure.value / frame, f"{figure.value:,.0f} cycles ({figure.kind})"))
    return charts.shares("busy", rows, "How busy each layer is")


def products(report: Report) -> list[tuple[str, float, float, float]]:
    """Return, of each layer that multiplies, its name and three numbers of products a cycle.

    They are: those made, over all cycles of a frame; those that its units could make, PE times SIMD; those
    that the stream in front of it, or of its window, could feed at a beat a cycle.
    """
    frame = report.performance.cycles_per_frame.value
    found = []
    for before, layer in pairwise([None, *report.layers]):
        if layer.weight_type is None:
            continue
        height, width, depth = layer.input_shape
        made = height * width * depth * (1 if layer.kind == "depthwise" else layer.output_shape[2])
        window = before is not None and before.kind == "sliding_window"
        reads = before if window and before.output_shape == layer.input_shape else layer
        height, width, channels = reads.input_shape
        beats = height * width * channels / min(reads.simd or reads.pe or 1, channels)
        found.append((layer.name, made / frame, (layer.pe or 1) * (layer.simd or 1), made / beats))
    return found


def _timing_chart(report: Report) -> str:
    assert report.detail is not None
    timing = report.detail.timing
    slack = timing.slack.value if timing.slack else 0.0
    if timing.logic is not None and timing.routing is not None:
        parts = [("logic", timing.logic.value), ("routing", timing.routing.value)]
    else:
        parts = [("slowest path", timing.period.value - slack)]
    return charts.period("timing", [*parts, ("slack", slack)], "The clock's period and the slowest path")


def _tiles(report: Report, folder: Path | None) -> dict[str, list[list[int]]]:
    """Return owner -> tiles from the floor plan beside the bitstream, where there is one."""
    name = report.files.get("floor plan")
    if folder is None or name is None or not (folder / name).is_file():
        return {}
    owners: dict[str, list[list[int]]] = {}
    for instance, tiles in json.loads((folder / name).read_text())["tiles"].items():
        owner = instance.removeprefix("u_core.").removeprefix("u_").partition(".")[0] or charts.REST
        owners.setdefault(owner, []).extend(tiles)
    return owners


def run_pictures(report: Report, folder: Path | None, run: Path | None) -> list[tuple[str, str, str]]:
    """Return the pictures of the training run: name, what it shows, the picture as a data address.

    Raises
    ------
    ConfigError
        ``run`` is no run, or not the one that the package was exported from.
    """
    if run is not None and not _is_of(report, run):
        raise ConfigError(
            f"{run} is not the training run of {report.package.name}: its metrics.json "
            + ("says otherwise" if (run / "metrics.json").is_file() else "is not there"),
            "give the run that the package was exported from, as OUT/NAME/train/run",
        )
    name = report.files.get("training run")
    if run is None and folder is not None and name is not None and _is_of(report, folder / name):
        run = folder / name
    if run is None:
        return []
    return [
        (picture, text, _data(run / f"{picture}.png"))
        for picture, text in _PICTURES.items()
        if (run / f"{picture}.png").is_file()
    ]


def _is_of(report: Report, run: Path) -> bool:
    """Whether the package comes from this run: all metrics that both hold are equal, accuracy among them."""
    try:
        found = json.loads((run / "metrics.json").read_text())
    except (OSError, ValueError):
        return False
    known = report.package.metrics
    both = found.keys() & known.keys()
    return "test_accuracy" in both and all(found[name] == known[name] for name in both)
