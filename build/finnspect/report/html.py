"""The report as one HTML page that needs nothing else: styles, charts and pictures are in it, no script."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from finnspect.report import charts
from finnspect.report.graph import graph_svg, nodes_of, nodes_of_edges
from finnspect.report.instances import OTHER, SHELL
from finnspect.report.model import FailedReport, Figure, Report, Resource
from finnspect.report.summary import number

if TYPE_CHECKING:
    from finnspect.report.model import LayerReport

#: Kind -> what it means.
KINDS = {
    "estimated": "by a model, before any tool ran",
    "simulated": "counted in the cycle-accurate simulation of the RTL",
    "post-synthesis": "of the netlist, before place and route",
    "post-route": "of the placed and routed design",
    "measured": "observed on data or on this machine",
    "computed": "from other figures, which are named",
}
#: Kind -> its mark beside a figure.
SHORT = {
    "estimated": "est.",
    "simulated": "sim.",
    "post-synthesis": "syn.",
    "post-route": "route",
    "measured": "meas.",
    "computed": "comp.",
}
_SECTIONS = (
    ("network", "Network"),
    ("layers", "Layers"),
    ("bottleneck", "Bottleneck"),
    ("timing", "Timing"),
    ("floorplan", "Floor plan"),
    ("accuracy", "Accuracy"),
    ("finn", "FINN"),
    ("reproduce", "Tools"),
)
_RESOURCE_KINDS = ("post-route", "post-synthesis", "estimated")
#: Pictures of a training run, and what they show.
_PICTURES = {
    "mistakes": "The worst mistakes on the test set",
    "curves": "Scores of the classes on the test set",
}
_NETLIST_NAMES = {"DP16KD": "BRAM", "MULT18X18D": "DSP", "BRAM18": "BRAM", "DSP48E1": "DSP"}
_NETLIST_CELLS = {"ecp5": ("LUT4", "FF", "DP16KD", "MULT18X18D"), "xc7": ("LUT", "FF", "BRAM18", "DSP48E1")}


# -- templates ------------------------------------------------------------------------------------


def amount(figure: Figure, unit: bool = True) -> str:
    """Return a figure without its kind, for the kind stands beside it as a mark."""
    text = number(figure, kind=False)
    return text if unit else text.removesuffix(f" {figure.unit}")


@cache
def environment() -> jinja2.Environment:
    """Return the templates of the pages."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("finnspect.report"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=True,
    )
    found.filters["amount"] = amount
    found.filters["short"] = SHORT.__getitem__
    found.globals |= {"kinds": KINDS, "style": Markup(found.loader.get_source(found, "style.css")[0])}
    return found


def _data(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


@dataclass(frozen=True)
class Row:
    """A line of a table; ``mark`` is ``slow`` for the bottleneck, ``sum`` for the last."""

    name: str
    cells: list[str]
    mark: str = ""


# -- tables ---------------------------------------------------------------------------------------


def resource_rows(report: Report) -> list[dict[str, Any]]:
    """Return a row a cell: its figures by kind, and how many the device has."""
    rows: dict[str, dict[str, Any]] = {}
    for each in report.resources:
        row = rows.setdefault(each.name, {"name": each.name, "found": {}, "available": None})
        row["found"][each.used.kind] = each.used
        row["available"] = row["available"] or each.available
    return list(rows.values())


def best(report: Report, name: str) -> Resource | None:
    """Return the last figure of a cell: post-route, else post-synthesis, else estimated."""
    for kind in _RESOURCE_KINDS:
        for each in report.resources:
            if each.name == name and each.used.kind == kind:
                return each
    return None


def _plain(figure: Figure | None) -> str:
    return "-" if figure is None else amount(figure, unit=False)


def _cycles(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.value:,.0f}"


def _real_names(report: Report) -> list[str]:
    """Return the cells of the netlist that are told by layer, in the order of the table."""
    if report.detail is None:
        return []
    counted = {name for cells in report.detail.cells.values() for name in cells}
    return [name for names in _NETLIST_CELLS.values() for name in names if name in counted][:4]


def _cell_names(report: Report) -> list[str]:
    return list(dict.fromkeys(name for layer in report.layers for name in layer.resources))


def _layer_row(layer: LayerReport, report: Report, total: Mapping[str, float]) -> Row:
    frame = report.performance.cycles_per_frame.value
    detail, real = report.detail, _real_names(report)
    cells = detail.cells.get(layer.name, {}) if detail else {}
    types = f"{layer.input_type}, {layer.output_type}"
    row = [
        "x".join(map(str, layer.output_shape)),
        layer.weight_type or "-",
        types,
        str(layer.pe or "-"),
        str(layer.simd or "-"),
        *(
            _cycles(each)
            for each in (
                layer.cycles_bound,
                layer.cycles_simulated,
                layer.stalled_in_cycles,
                layer.stalled_out_cycles,
            )
        ),
        f"{100 * layer.cycles_bound.value / frame:.0f} %",
        *(_plain(layer.resources.get(name)) for name in _cell_names(report)),
        *(_plain(cells.get(name)) for name in real),
    ]
    if real:
        share = cells[real[0]].value / total[real[0]] if real[0] in cells and total[real[0]] else None
        row.append("-" if share is None else f"{100 * share:.0f} %")
    return Row(layer.name, row, "slow" if detail and layer.name in detail.bottleneck.layers else "")


def _layer_rows(report: Report) -> list[Row]:
    real, names = _real_names(report), _cell_names(report)
    cells = report.detail.cells if report.detail else {}
    total = {name: sum(own[name].value for own in cells.values() if name in own) for name in real}
    rows = [_layer_row(layer, report, total) for layer in report.layers]
    blank = [""] * 10
    for name, words in ((OTHER, "between layers"), (SHELL, "shell")):
        if name in cells and real:
            own = cells[name]
            share = f"{100 * own[real[0]].value / total[real[0]]:.0f} %" if total[real[0]] else "-"
            parts = [*blank, *[""] * len(names), *(_plain(own.get(each)) for each in real), share]
            rows.append(Row(words, parts))
    estimated = [
        f"{sum(layer.resources[name].value for layer in report.layers if name in layer.resources):,}"
        for name in names
    ]
    parts = [*blank, *estimated, *(f"{total[name]:,}" for name in real), *(["100 %"] if real else [])]
    rows.append(Row("sum", parts, "sum"))
    return rows


def _finn_rows(report: Report) -> list[Row]:
    detail = report.detail
    if detail is None or detail.finn is None:
        return []
    names, real = _cell_names(report), _real_names(report)[:1]
    units = list(detail.finn.total)
    rows = []
    for layer in report.layers:
        theirs = detail.finn.layers.get(layer.name, {})
        cells = detail.cells.get(layer.name, {})
        parts = [theirs.get(unit) for unit in units] + [layer.resources.get(name) for name in names]
        rows.append(Row(layer.name, [_plain(each) for each in [*parts, *(cells.get(name) for name in real)]]))
    ours = [sum(own.resources[n].value for own in report.layers if n in own.resources) for n in names]
    found = [
        sum(cells[n].value for layer, cells in detail.cells.items() if n in cells and layer != SHELL)
        for n in real
    ]
    total = [detail.finn.total[unit].value for unit in units]
    rows.append(Row("sum", [f"{each:,.0f}" for each in (*total, *ours, *found)], "sum"))
    return rows


# -- pictures -------------------------------------------------------------------------------------


def _charts(report: Report, folder: Path | None) -> dict[str, str]:
    found = {"resources": _resource_chart(report), "busy": _busy_chart(report)}
    detail = report.detail
    real = _real_names(report)
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
    for name in dict.fromkeys(each.name for each in report.resources):
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


def _pictures(report: Report, folder: Path | None, run: Path | None) -> list[tuple[str, str, str]]:
    name = report.files.get("training run")
    if run is None and folder is not None and name is not None:
        run = folder / name
    if run is None:
        return []
    return [
        (picture, text, _data(run / "plots" / f"{picture}.png"))
        for picture, text in _PICTURES.items()
        if (run / "plots" / f"{picture}.png").is_file()
    ]


# -- pages ----------------------------------------------------------------------------------------


def verdict(report: Report) -> str:
    """Return in a sentence what the build is worth."""
    exact, speed = report.exactness, report.performance
    parts = [f"Exact: {exact.mismatches} of {exact.logits:,} logits differ"]
    if speed.fmax is None:
        parts.append(f"{amount(speed.clock)} asked for, not timed")
    else:
        met = speed.fmax.value >= speed.clock.value
        parts.append(f"{amount(speed.clock)} {'met' if met else 'MISSED'}")
    made = [name for name in ("bitstream", "deploy zip") if name in report.files]
    if "bitstream" in made:
        parts.append(f"made: {' and '.join(made)}")
    else:
        parts.append("no bitstream on this road" + (", a deploy zip without one" if made else ""))
    return "; ".join(parts) + "."


def _latency(report: Report) -> Figure:
    speed = report.performance
    return Figure(
        value=speed.latency.value / speed.clock.value / 1e3,
        unit="ms",
        kind="computed" if speed.latency.kind == "simulated" else "estimated",
        source=f"{speed.latency.kind} cycles / clock",
    )


def _faster(report: Report) -> Figure | None:
    detail = report.detail
    if detail is None or detail.bottleneck.cycles is None:
        return None
    fps = report.performance.clock.value * 1e6 / detail.bottleneck.cycles.value
    return Figure(value=round(fps, 1), unit="frames/s", kind="estimated", source="clock / folding bound")


def _network(report: Report) -> str:
    detail = report.detail
    if detail is None:
        return "<p>Not given: this report.json holds the figures of the build only.</p>"
    nodes = nodes_of(report.layers, detail.bottleneck.layers, report.performance.cycles_per_frame.value)
    return graph_svg(nodes, detail.edges, f"Layers of {report.package.name}")


def _cells_note(report: Report) -> str:
    for cells in report.detail.cells.values() if report.detail else ():
        for figure in cells.values():
            return f"Cells post-synthesis: {figure.source}."
    return ""


def page(report: Report, folder: Path | None = None, run: Path | None = None) -> str:
    """Return the report as a page.

    Parameters
    ----------
    folder
        Where report.json lies: its ``files`` are relative to it. None for the figures alone.
    run
        The training run, whose pictures are embedded; the one that the report names if None.
    """
    charts_of = {name: Markup(svg) for name, svg in _charts(report, folder).items()}
    pictures = _pictures(report, folder, run)
    names = {"resources", "busy", "cells", "timing", "confusion", "floor"}
    return environment().get_template("report.html.j2").render(
        title=f"{report.package.name} on {report.board.name}",
        version=report.finnspect,
        created=report.created,
        report=report,
        detail=report.detail,
        verdict=verdict(report),
        sections=_SECTIONS,
        charts={name: charts_of.get(name, "") for name in names},
        pictures=pictures,
        network=Markup(_network(report)),
        resources=resource_rows(report),
        resource_kinds=_RESOURCE_KINDS,
        layers=_layer_rows(report),
        cell_names=_cell_names(report),
        real_names=[_NETLIST_NAMES.get(name, name) for name in _real_names(report)],
        cells_note=_cells_note(report),
        finn=_finn_rows(report),
        latency=_latency(report),
        faster=_faster(report),
    )  # fmt: skip


def failed_page(report: FailedReport) -> str:
    """Return the report of a build that failed as a page."""
    network = ""
    if report.edges:
        network = graph_svg(nodes_of_edges(report.edges, report.layer), report.edges, "Layers of the network")
    return environment().get_template("failed.html.j2").render(
        title=f"{report.package.name} on {report.board}: failed",
        version=report.finnspect,
        created=report.created,
        report=report,
        network=Markup(network),
    )  # fmt: skip
