"""The rows of the page's tables, as text where one kind holds for a whole column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finnspect.report.instances import OTHER, SHELL
from finnspect.report.model import Figure, LayerReport, Report, Resource
from finnspect.report.summary import number

RESOURCE_KINDS = ("post-route", "post-synthesis", "estimated")
#: Ends the names of cells that were counted without the shell.
CORE_ALONE = ", core alone"
#: Cells of the netlist that the tables show, and what their columns are called.
NETLIST_NAMES = {"DP16KD": "BRAM", "MULT18X18D": "DSP", "BRAM18": "BRAM", "DSP48E1": "DSP"}
NETLIST_CELLS = {"ecp5": ("LUT4", "FF", "DP16KD", "MULT18X18D"), "xc7": ("LUT", "FF", "BRAM18", "DSP48E1")}


@dataclass(frozen=True)
class Row:
    """A line of a table; ``mark`` is ``slow`` for the bottleneck, ``sum`` for the last."""

    name: str
    cells: list[str]
    mark: str = ""


def amount(figure: Figure, unit: bool = True) -> str:
    """Return a figure without its kind, for the kind stands beside it as a mark."""
    text = number(figure, kind=False)
    return text if unit else text.removesuffix(f" {figure.unit}")


def resource_rows(report: Report) -> list[dict[str, Any]]:
    """Return a row a cell: its figures by kind, and how many the device has."""
    rows: dict[str, dict[str, Any]] = {}
    for each in report.resources:
        row = rows.setdefault(each.name, {"name": each.name, "found": {}, "available": None})
        row["found"][each.used.kind] = each.used
        row["available"] = row["available"] or each.available
    return list(rows.values())


def main_cells(report: Report) -> list[str]:
    """Return the cells of the whole design that the device has a known number of."""
    names = dict.fromkeys(each.name for each in report.resources if each.available)
    return [name for name in names if not name.endswith(CORE_ALONE)]


def best(report: Report, name: str) -> Resource | None:
    """Return the last figure of a cell: post-route, else post-synthesis, else estimated."""
    for kind in RESOURCE_KINDS:
        for each in report.resources:
            if each.name == name and each.used.kind == kind:
                return each
    return None


def _plain(figure: Figure | None) -> str:
    return "-" if figure is None else amount(figure, unit=False)


def _cycles(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.value:,.0f}"


def real_names(report: Report) -> list[str]:
    """Return the cells of the netlist that are told by layer, in the order of the table."""
    if report.detail is None:
        return []
    counted = {name for cells in report.detail.cells.values() for name in cells}
    names = NETLIST_CELLS["ecp5" if "LUT4" in counted else "xc7"]
    return [name for name in names if name in counted]


def cell_names(report: Report) -> list[str]:
    """Return the cells that the layers' estimates count."""
    return list(dict.fromkeys(name for layer in report.layers for name in layer.resources))


def _layer_row(layer: LayerReport, report: Report, total: Mapping[str, float]) -> Row:
    frame = report.performance.cycles_per_frame.value
    detail, real = report.detail, real_names(report)
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
        *(_plain(layer.resources.get(name)) for name in cell_names(report)),
        *(_plain(cells.get(name)) for name in real),
    ]
    if real:
        share = cells[real[0]].value / total[real[0]] if real[0] in cells and total[real[0]] else None
        row.append("-" if share is None else f"{100 * share:.0f} %")
    return Row(layer.name, row, "slow" if detail and layer.name in detail.bottleneck.layers else "")


def layer_rows(report: Report) -> list[Row]:
    """Return a row a layer, then what lies between layers, the shell, and the sum."""
    real, names = real_names(report), cell_names(report)
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


def finn_rows(report: Report) -> list[Row]:
    """Return a row a layer: FINN's estimates, ours, and the netlist's logic; none without FINN's."""
    detail = report.detail
    if detail is None or detail.finn is None:
        return []
    names, real = cell_names(report), real_names(report)[:1]
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
