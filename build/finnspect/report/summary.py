"""A report to read: a few tables, on the terminal or as markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from finnspect.report.model import FailedReport, Figure, Kind, Report

Table = tuple[str, Sequence[str], list[Sequence[str]]]


def number(figure: Figure | None, *, kind: bool = True) -> str:
    """Return a figure as text with its unit and kind; a dash where there is none."""
    if figure is None:
        return "-"
    value = figure.value
    if value == int(value):
        text = f"{int(value):,}"
    else:
        text = f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
    if figure.unit == "ratio":
        text, unit = f"{100 * value:.1f}", " %"
    else:
        unit = "" if figure.unit == "cells" else f" {figure.unit}"
    return f"{text}{unit}" + (f" ({figure.kind})" if kind else "")


def _result_rows(report: Report) -> list[Sequence[str]]:
    exact, speed = report.exactness, report.performance
    rows: list[Sequence[str]] = [
        ("model package", f"{report.package.name} ({len(report.package.classes)} classes)"),
        ("board", f"{report.board.name} ({report.board.part}), {report.board.toolchain}"),
        ("exactness", f"{exact.mismatches} mismatches in {exact.logits:,} logits of {exact.images} images"),
        ("", exact.compared),
    ]
    if report.test_set is not None:
        test = report.test_set
        rows += [
            ("test set", f"{number(test.accuracy)} right of {test.images} images, in {test.accuracy.source}"),
            ("changed classes", f"{test.changed_predictions}, and {test.ties} ties: {test.compared}"),
        ]
    rows += [
        ("cycles a frame", number(speed.cycles_per_frame)),
        ("folding bound", f"{number(speed.folding_bound)}; efficiency {number(speed.efficiency)}"),
        ("latency", number(speed.latency)),
        ("clock", f"{number(speed.clock)}; Fmax {number(speed.fmax)}"),
        ("frames a second", f"{number(speed.fps)}: {speed.fps.source}"),
    ]
    if report.fifos.count:
        unsized = number(report.fifos.unsized_bits)
        rows.append(("FIFOs", f"{report.fifos.count}: {number(report.fifos.bits)}, unsized {unsized}"))
    if speed.power is not None:
        rows.append(("power", number(speed.power)))
    if speed.link_fps is not None:
        rows.append(("over the link", f"{number(speed.link_fps)}: {speed.link_fps.source}"))
    rows += [("note" if index == 0 else "", note) for index, note in enumerate(report.notes)]
    return rows


def _resource_table(report: Report) -> Table:
    kinds: tuple[Kind, ...] = ("post-route", "post-synthesis", "estimated")
    rows = []
    for name in dict.fromkeys(resource.name for resource in report.resources):
        found = {each.used.kind: each for each in report.resources if each.name == name}
        available = next(iter(found.values())).available
        best = next(found[kind] for kind in kinds if kind in found)
        share = f"{100 * best.used.value / available:.1f} %" if available else "-"
        cells = [number(found[kind].used, kind=False) if kind in found else "-" for kind in kinds]
        rows.append((name, *cells, f"{available:,}" if available else "-", share))
    return "resources", ("cell", *kinds, "in the device", "share"), rows


def _layer_table(report: Report) -> Table:
    def cycles(figure: Figure | None) -> str:
        return number(figure, kind=False).removesuffix(" cycles")

    rows = [
        (
            layer.name,
            "x".join(map(str, layer.output_shape)),
            layer.weight_type or "-",
            layer.output_type,
            str(layer.pe or "-"),
            str(layer.simd or "-"),
            cycles(layer.cycles_bound),
            cycles(layer.cycles_simulated),
            cycles(layer.stalled_out_cycles),
        )
        for layer in report.layers
    ]
    header = ("layer", "output", "weight", "type", "PE", "SIMD", "bound", "simulated", "held")
    return "layers, cycles a frame", header, rows


def tables(report: Report) -> list[Table]:
    """Return the report as (title, header, rows); a table without rows is left out."""
    stages = [(stage.name, number(stage.seconds)) for stage in report.stages]
    found = [
        ("result", ("what", "value"), _result_rows(report)),
        _resource_table(report),
        _layer_table(report),
        (f"stages ({report.machine.cpu_cores} cores)", ("stage", "time"), stages),
    ]
    return [table for table in found if table[2]]


def print_summary(report: Report, console: Console) -> None:
    """Print the report's tables."""
    from rich import box
    from rich.table import Table as RichTable

    for title, header, rows in tables(report):
        table = RichTable(
            title=title,
            box=box.SIMPLE_HEAD,
            title_justify="left",
            title_style="bold",
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for index, column in enumerate(header):
            table.add_column(column, overflow="fold", no_wrap=index == 0)
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(report: Report) -> str:
    """Return the report as markdown."""
    parts = [f"# {report.package.name} on {report.board.name}\n"]
    for title, header, rows in tables(report):
        lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        parts.append(f"## {title}\n\n" + "\n".join(lines) + "\n")
    versions = ", ".join(f"{name} {version}" for name, version in report.tools.items())
    parts.append(f"Made {report.created} with {versions}.\n")
    return "\n".join(parts)


def failed_markdown(report: FailedReport) -> str:
    """Return the report of a build that failed as markdown."""
    parts = [f"# {report.title}: the build failed\n", f"It {report.where}: {report.error}.\n"]
    parts.append("".join(f"    {line}\n" for line in report.message.splitlines()))
    if report.remedy:
        parts.append(f"What to do: {report.remedy}\n")
    parts += [f"- {stage.name}: finished in {number(stage.seconds)}" for stage in report.stages]
    return "\n".join(parts).rstrip() + "\n"
