"""Several builds side by side: accuracy, speed and cells, the fronts of those that no other beats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from finnspect import __version__
from finnspect.errors import ConfigError
from finnspect.report import charts
from finnspect.report.html import SHORT, environment, verdict
from finnspect.report.model import Figure, Report, load_report
from finnspect.report.tables import amount, best

FORMAT = "finnspect-comparison"
FORMAT_VERSION = 1
#: Names of the same cell in the reports of the two families.
_CELLS = {
    "LUT": ("LUT", "LUT4"),
    "FF": ("FF",),
    "BRAM": ("BRAM36", "RAMB36", "DP16KD"),
    "DSP": ("DSP48E1", "MULT18X18D"),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Build(_Strict):
    """One of the builds."""

    name: str = Field(description="short, and no other's")
    path: str
    package: str
    model: str
    board: str
    toolchain: str
    weights: list[str] = Field(description="types of the weights, each once")
    activations: list[str] = Field(description="types that its units with weights put out, logits apart")
    folding: dict[str, dict[str, int]]
    verdict: str
    accuracy: Figure | None
    fps: Figure
    latency: Figure
    cycles: Figure
    clock: Figure
    fmax: Figure | None
    cells: dict[str, Figure]
    share: dict[str, float] = Field(description="cell -> share of the device")


class Comparison(_Strict):
    """Contents of ``compare.json``."""

    format: Literal["finnspect-comparison"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    builds: list[Build]
    front: list[str] = Field(
        description="builds that no other beats or equals in accuracy, frames a second and LUTs at once"
    )
    notes: list[str] = Field(default_factory=list, description="what keeps figures from being compared")

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


# -- gathering ------------------------------------------------------------------------------------


def _cells(report: Report) -> tuple[dict[str, Figure], dict[str, float]]:
    used, share = {}, {}
    for name, cells in _CELLS.items():
        found = next((each for cell in cells if (each := best(report, cell)) is not None), None)
        if found is not None:
            used[name] = found.used
            if found.available:
                share[name] = found.used.value / found.available
    return used, share


def _build(name: str, path: Path, report: Report) -> Build:
    speed = report.performance
    cells, share = _cells(report)
    return Build(
        name=name,
        path=str(path),
        package=report.package.name,
        model=report.package.model,
        board=report.board.name,
        toolchain=report.board.toolchain,
        weights=sorted({layer.weight_type for layer in report.layers if layer.weight_type}),
        activations=sorted({layer.output_type for layer in report.layers[:-1] if layer.weight_type}),
        folding={
            layer.name: {key: value for key, value in (("PE", layer.pe), ("SIMD", layer.simd)) if value}
            for layer in report.layers
        },
        verdict=verdict(report),
        accuracy=report.test_set.accuracy if report.test_set else None,
        fps=speed.fps,
        latency=speed.latency,
        cycles=speed.cycles_per_frame,
        clock=speed.clock,
        fmax=speed.fmax,
        cells=cells,
        share=share,
    )


def _names(paths: Sequence[Path], reports: Sequence[Report]) -> list[str]:
    """Return short names that differ: package and board, else the ends of the paths, as short as can be."""
    names = [f"{each.package.name} {each.board.name}" for each in reports]
    parts = [path.absolute().parts for path in paths]
    length = 0
    while len(set(names)) < len(names):  # the whole paths differ
        length += 1
        names = ["/".join(each[-length:]) for each in parts]
    return names


def _beats(one: Build, other: Build) -> bool:
    """Whether ``one`` is nowhere worse than ``other`` and somewhere better."""

    def gains(build: Build) -> tuple[float, ...]:
        accuracy = build.accuracy.value if build.accuracy else 0.0
        lut = build.cells["LUT"].value if "LUT" in build.cells else 0.0
        return accuracy, build.fps.value, -lut

    ours, theirs = gains(one), gains(other)
    return all(a >= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs


def _notes(builds: Sequence[Build]) -> list[str]:
    notes = []
    kinds = {build.cells["LUT"].kind for build in builds if "LUT" in build.cells}
    if len(kinds) > 1:
        notes.append(f"LUTs are of different kinds ({', '.join(sorted(kinds))}): look at their marks.")
    if len({build.board for build in builds}) > 1:
        notes.append("The boards differ: a LUT of Lattice has four inputs, one of Xilinx six.")
    if len({build.fps.kind for build in builds}) > 1:
        notes.append("Frames a second are of different kinds: look at their marks.")
    return notes


def compare(paths: Sequence[Path]) -> Comparison:
    """Return builds side by side.

    Parameters
    ----------
    paths
        Folders of builds, or their report.json.

    Raises
    ------
    ConfigError
        There are fewer than two, or one is named twice.
    PackageError
        One has no report.
    """
    if len(paths) < 2:
        raise ConfigError("one build cannot be compared", "name two or more")
    if len({path.absolute() for path in paths}) < len(paths):
        raise ConfigError("a build is named twice", "name each once")
    reports = [load_report(path) for path in paths]
    builds = [
        _build(name, path, report)
        for name, path, report in zip(_names(paths, reports), paths, reports, strict=True)
    ]
    front = [each.name for each in builds if not any(_beats(other, each) for other in builds)]
    return Comparison(builds=builds, front=front, notes=_notes(builds))


# -- showing --------------------------------------------------------------------------------------

#: What, its unit, figure of a build, for the table.
_LINES = (
    ("accuracy", "", lambda build: build.accuracy),
    ("frames/s", "", lambda build: build.fps),
    ("a frame", "cycles", lambda build: build.cycles),
    ("latency", "cycles", lambda build: build.latency),
    ("clock", "MHz", lambda build: build.clock),
    ("highest", "MHz", lambda build: build.fmax),
)


def table(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table as text: a row a figure, a column a build."""
    header = ["", *(f"{build.name}{' *' if build.name in found.front else ''}" for build in found.builds)]
    rows = [
        ["board", *(f"{build.board}, {build.toolchain}" for build in found.builds)],
        ["weights", *(", ".join(build.weights) for build in found.builds)],
        ["activations", *(", ".join(build.activations) for build in found.builds)],
        *([what, *(_text(get(build)) for build in found.builds)] for what, _, get in _LINES),
    ]
    for name in _CELLS:
        rows.append([name, *(_with_share(build, name) for build in found.builds)])
    return header, rows


def _with_share(build: Build, name: str) -> str:
    if name not in build.cells:
        return "-"
    share = f"\n{100 * build.share[name]:.1f} %" if name in build.share else ""
    return _text(build.cells[name]) + share


def _text(figure: Figure | None) -> str:
    return "-" if figure is None else f"{amount(figure, unit=figure.unit == 'ratio')} {SHORT[figure.kind]}"


def _axis(what: str, figures: Sequence[Figure]) -> str:
    """Return the name of an axis, with the kinds of its figures."""
    return f"{what} ({', '.join(sorted({figure.kind for figure in figures}))})"


def _pictures(found: Comparison) -> dict[str, str]:
    made = {}
    number_of = {build.name: str(index + 1) for index, build in enumerate(found.builds)}
    with_lut = [build for build in found.builds if "LUT" in build.cells]
    luts = _axis("LUT", [build.cells["LUT"] for build in with_lut])
    if len(with_lut) > 1:
        points = [
            (
                number_of[each.name] + (f": {amount(each.accuracy)}" if each.accuracy else ""),
                each.cells["LUT"].value,
                each.fps.value,
            )
            for each in with_lut
        ]
        names = (luts, _axis("frames/s", [build.fps for build in with_lut]))
        made["speed"] = charts.scatter("speed", points, "Frames a second against LUTs", names)
        known = [build for build in with_lut if build.accuracy is not None]
        if len(known) > 1:
            points = [
                (number_of[each.name], each.cells["LUT"].value, 100 * each.accuracy.value) for each in known
            ]
            names = (luts, _axis("accuracy, %", [build.accuracy for build in known]))
            made["accuracy"] = charts.scatter(
                "accuracy", points, "Accuracy against LUTs", names, (0.0, 100.0)
            )
    shares = {
        f"{number_of[build.name]} {build.name}": [100 * build.share.get(name, 0) for name in _CELLS]
        for build in found.builds[: len(charts.PATTERNS)]
    }
    made["shares"] = charts.groups("shares", list(_CELLS), shares, "Share of the device", "% of the device")
    return made


def _folding_rows(found: Comparison) -> list[tuple[str, list[str]]]:
    """Return layer -> its folding in each build, for the layers that all have, where it differs."""
    names = [name for name in found.builds[0].folding if all(name in each.folding for each in found.builds)]
    rows = []
    for name in names:
        cells = [
            " ".join(f"{key} {value}" for key, value in build.folding[name].items()) or "-"
            for build in found.builds
        ]
        if len(set(cells)) > 1:
            rows.append((name, cells))
    return rows


def comparison_page(found: Comparison, created: str) -> str:
    """Return the comparison as a page that needs nothing else."""
    return environment().get_template("compare.html.j2").render(
        title="Builds compared",
        version=__version__,
        created=created,
        found=found,
        lines=[(what, unit, [get(build) for build in found.builds]) for what, unit, get in _LINES],
        cells=list(_CELLS),
        charts={name: Markup(svg) for name, svg in _pictures(found).items()},
        folding=_folding_rows(found),
    )  # fmt: skip
