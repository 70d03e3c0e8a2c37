"""A report to read: a few tables, on the terminal or as markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from finnspect.report.model import Figure, Report

Table = tuple[str, Sequence[str], list[Sequence[str]]]


def number(figure: Figure | None, *, kind: bool = True) -> str:
    """Return a figure as text with its unit and kind; a dash where there is none."""
    if figure is None:
        return "-"
    value = figure.value
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
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
        (
            "exactness",
            f"{exact.mismatches} mismatches in {exact.logits:,} logits of {exact.images} images: "
            f"{exact.compared}",
        ),
        ("changed predictions", f"{exact.changed_predictions} (and {exact.logit_ties} ties)"),
    ]
    if exact.correct is not None:
        rows.append(("right class", f"{exact.correct} of {exact.images} images"))
    rows += [
        ("cycles a frame", number(speed.cycles_per_frame)),
        ("folding bound", f"{number(speed.folding_bound)}, efficiency {number(speed.efficiency)}"),
        ("latency", number(speed.latency)),
        ("Fmax", number(speed.fmax)),
        ("clock", number(speed.clock)),
        ("frames a second", number(speed.fps)),
        ("over the link", number(speed.link_fps)),
    ]
    return rows


def tables(report: Report) -> list[Table]:
    """Return the report as (title, header, rows)."""
    resources = [
        (
            r.name,
            f"{r.used.value:,}",
            f"{r.available:,}" if r.available else "-",
            f"{100 * r.used.value / r.available:.1f} %" if r.available else "-",
            r.used.kind,
        )
        for r in report.resources
    ]
    layers = [
        (
            layer.name,
            layer.kind,
            "x".join(map(str, layer.output_shape)),
            f"{layer.weight_type or '-'} / {layer.input_type} / {layer.output_type}",
            str(layer.pe or "-"),
            str(layer.simd or "-"),
            number(layer.cycles_bound, kind=False).removesuffix(" cycles"),
            number(layer.cycles_simulated, kind=False).removesuffix(" cycles"),
            number(layer.stalled_out_cycles, kind=False).removesuffix(" cycles"),
        )
        for layer in report.layers
    ]
    stages = [(stage.name, number(stage.seconds, kind=False)) for stage in report.stages]
    return [
        ("result", ("what", "value"), _result_rows(report)),
        ("resources", ("cell", "used", "of", "share", "kind"), resources),
        (
            "layers",
            (
                "layer",
                "kind",
                "output",
                "weights / in / out",
                "PE",
                "SIMD",
                "cycles (bound)",
                "cycles (simulated)",
                "held back",
            ),
            layers,
        ),
        (f"stages ({report.machine.cpu_cores} cores)", ("stage", "time (measured)"), stages),
    ]


def print_summary(report: Report, console: Console) -> None:
    """Print the report's tables."""
    from rich import box
    from rich.table import Table as RichTable

    for title, header, rows in tables(report):
        table = RichTable(title=title, box=box.SIMPLE, title_justify="left", title_style="bold")
        for column in header:
            table.add_column(column, overflow="fold")
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
