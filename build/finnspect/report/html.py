"""The report as one HTML page that needs nothing else: styles, charts and pictures are in it, no script."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from finnspect.report.charts import FEW
from finnspect.report.graph import graph_svg, nodes_of, nodes_of_edges
from finnspect.report.model import FailedReport, Figure, Report
from finnspect.report.pictures import products, report_charts, run_pictures
from finnspect.report.tables import (
    NETLIST_NAMES,
    RESOURCE_KINDS,
    amount,
    cell_names,
    finn_rows,
    layer_rows,
    main_cells,
    real_names,
    resource_rows,
)

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
    ("resources", "Resources"),
    ("bottleneck", "Bottleneck"),
    ("timing", "Timing"),
    ("floorplan", "Floor plan"),
    ("accuracy", "Accuracy"),
    ("finn", "FINN"),
    ("reproduce", "Tools"),
)
# -- templates ------------------------------------------------------------------------------------


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
    found.filters["breakable"] = lambda name: Markup(str(escape(name)).replace("_", "_<wbr>"))
    found.filters["short"] = SHORT.__getitem__
    found.globals |= {"kinds": KINDS, "style": Markup(found.loader.get_source(found, "style.css")[0])}
    return found


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


def _used(report: Report) -> Figure:
    """Return how many multiplying units work in a cycle, on average over a frame."""
    return Figure(
        value=round(sum(made for _, made, *_ in products(report)), 1),
        unit="cells",
        kind="computed" if report.performance.cycles_per_frame.kind == "simulated" else "estimated",
        source="products of a frame / cycles a frame",
    )


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
    charts_of = {name: Markup(svg) for name, svg in report_charts(report, folder).items()}
    pictures = run_pictures(report, folder, run)
    names = {"resources", "busy", "cells", "roofs", "timing", "confusion", "floor"}
    return environment().get_template("report.html.j2").render(
        title=f"{report.package.name} on {report.board.name}",
        version=report.finnspect,
        created=report.created,
        report=report,
        detail=report.detail,
        verdict=verdict(report),
        sections=_SECTIONS,
        many=len(report.package.classes) > FEW,
        charts={name: charts_of.get(name, "") for name in names},
        pictures=pictures,
        network=Markup(_network(report)),
        resources=resource_rows(report),
        main_cells=main_cells(report),
        resource_kinds=RESOURCE_KINDS,
        layers=layer_rows(report),
        cell_names=cell_names(report),
        real_names=[NETLIST_NAMES.get(name, name) for name in real_names(report)],
        cells_note=_cells_note(report),
        finn=finn_rows(report),
        latency=_latency(report),
        faster=_faster(report),
        used=_used(report),
        units=f"{sum(units for _, _, units, _ in products(report)):,}",
    )  # fmt: skip


def failed_page(report: FailedReport) -> str:
    """Return the report of a build that failed as a page."""
    network = ""
    if report.edges:
        network = graph_svg(nodes_of_edges(report.edges, report.layer), report.edges, "Layers of the network")
    return environment().get_template("failed.html.j2").render(
        title=f"{report.title}: failed",
        version=report.finnspect,
        created=report.created,
        report=report,
        stage_name=report.stage or "between two stages",
        network=Markup(network),
    )  # fmt: skip
