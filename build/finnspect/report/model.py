"""``report.json``: every figure of a build, each saying what kind of figure it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finnspect.errors import PackageError

FORMAT = "finnspect-report"
FORMAT_VERSION = 2
FAILED_FORMAT = "finnspect-failed-report"
FAILED_FORMAT_VERSION = 2
#: Stage of a failed report where no stage of the build had begun.
REFUSED, TRAINING = "refused", "training"

#: How a figure was come by.
Kind = Literal["estimated", "simulated", "post-synthesis", "post-route", "measured", "computed"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Strict):
    """A number with its unit and how it was come by."""

    value: float | int
    unit: str
    kind: Kind
    source: str = Field(default="", description="tool, or the figures it was computed from")


class PackageReport(_Strict):
    """The model package that was built."""

    name: str
    model: str
    dataset: str
    classes: list[str]
    input_shape: tuple[int, int, int] = Field(description="height, width, channels, uint8")
    digest: str = Field(description="SHA-256 of package.json, which holds those of the other files")
    data_sha256: str
    metrics: dict[str, Any]


class BoardReport(_Strict):
    """The target."""

    name: str
    part: str
    toolchain: str
    shell: str
    clock_mhz: float = Field(description="clock that the design is made for; fmax says whether it was timed")
    seed: int = Field(description="of place and route")
    build_id: str = Field(description="what the hardware answers when asked")


class Exactness(_Strict):
    """Agreement of the executions of the model on the images that were simulated."""

    images: int = Field(description="images compared")
    logits: int = Field(description="integer logits compared, RTL against the integer reference")
    mismatches: int = Field(description="logits that differ; a build with any stops, so 0")
    qonnx_mismatches: int = Field(
        description="logits that differ, reference against the QONNX file's execution"
    )
    logit_ties: int = Field(description="images whose two best scores are equal; the lower class is taken")
    changed_predictions: int = Field(
        description="images classified otherwise by the QONNX file's float logits, ties apart"
    )
    correct: int | None = Field(description="images classified as labelled; null without labels")
    thresholds: int = Field(description="activation thresholds in the model")
    thresholds_changed: int = Field(description="those that float32 arithmetic would have rounded otherwise")
    compared: str = Field(description="what was compared with what, in words")


class TestSet(_Strict):
    """The model on the test part of its data set, which nothing was chosen on."""

    __test__ = False  # no test class, whatever its name suggests to pytest

    images: int
    accuracy: Figure = Field(
        description="of the integers that the hardware computes, or of torch: see compared"
    )
    changed_predictions: int = Field(description="images classified otherwise than by torch, ties apart")
    ties: int = Field(description="images whose two best scores are equal")
    compared: str = Field(description="what was compared with what, in words")


class LayerReport(_Strict):
    """One layer of the accelerator."""

    name: str
    kind: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    weight_type: str | None
    input_type: str
    output_type: str
    pe: int | None
    simd: int | None
    cycles_bound: Figure
    cycles_simulated: Figure | None = None
    stalled_in_cycles: Figure | None = Field(
        default=None, description="cycles its input stream waited for data"
    )
    stalled_out_cycles: Figure | None = Field(
        default=None, description="cycles its output stream was held back"
    )
    resources: dict[str, Figure] = Field(default_factory=dict)


class Resource(_Strict):
    """Use of one kind of cell."""

    name: str
    used: Figure
    available: int | None = Field(default=None, description="in the device; null where unknown")


class Performance(_Strict):
    """Speed; the serial link is apart from the accelerator, for it is slower by far."""

    folding_bound: Figure = Field(description="cycles of the slowest layer")
    cycles_per_frame: Figure = Field(description="steady state, frames back to back")
    latency: Figure = Field(description="first pixel in to last logit out, pipeline empty")
    efficiency: Figure = Field(description="folding bound / cycles per frame")
    fmax: Figure | None = None
    critical_path: str = Field(default="", description="the slowest path, post-route")
    clock: Figure
    fps: Figure = Field(description="clock / cycles per frame")
    power: Figure | None = Field(default=None, description="total on-chip power, as the tool estimates it")
    link_fps: Figure | None = Field(default=None, description="what the link to the host can carry")


class Fifos(_Strict):
    """FIFOs of branches that part and meet again; a chain has none."""

    count: int
    bits: Figure = Field(description="bits of storage of all of them, depths from simulation")
    unsized_bits: Figure = Field(description="the same with the depths that need no simulation")


class Edge(_Strict):
    """A stream from one layer to another; ``input`` and ``output`` are the ends of the network."""

    source: str
    target: str
    shape: tuple[int, int, int]
    type: str


class Bottleneck(_Strict):
    """The slowest layers of the folding, and the next folding that is faster."""

    layers: list[str] = Field(description="those that need as many cycles as the folding bound")
    moves: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="layer -> attribute -> its next step, as `8 -> 16`"
    )
    cycles: Figure | None = Field(default=None, description="folding bound after these moves")
    costs: dict[str, Figure] = Field(default_factory=dict, description="cells that the moves add, by name")
    fits: bool | None = Field(default=None, description="whether the estimates with them fit the device")
    words: str


class Timing(_Strict):
    """How much of the clock's period is left; None where the road does not time."""

    period: Figure
    slack: Figure | None = None
    logic: Figure | None = Field(default=None, description="of the slowest path, in cells")
    routing: Figure | None = Field(default=None, description="of the slowest path, in wires")


class FinnEstimates(_Strict):
    """FINN's cost functions on the same layers and folding, for the xc7z020 that they are made for."""

    source: str
    total: dict[str, Figure]
    layers: dict[str, dict[str, Figure]]
    cycles: Figure = Field(description="of the slowest node")


class Detail(_Strict):
    """What the pages show beyond the figures of the build."""

    edges: list[Edge]
    bottleneck: Bottleneck
    timing: Timing
    cells: dict[str, dict[str, Figure]] = Field(
        default_factory=dict,
        description="layer (or `shell`, `other`) -> cells of the netlist under its instance's name",
    )
    finn: FinnEstimates | None = None
    reproduce: list[str] = Field(description="command lines and settings that make the build again")


class StageReport(_Strict):
    """A stage of the flow."""

    name: str
    seconds: Figure
    key: str


class Machine(_Strict):
    """The machine that built, for the times to mean something."""

    platform: str
    cpu_cores: int


class Report(_Strict):
    """Contents of ``report.json``."""

    format: Literal["finnspect-report"] = FORMAT
    format_version: Literal[2] = FORMAT_VERSION
    finnspect: str
    created: str = Field(description="UTC, ISO 8601")
    package: PackageReport
    board: BoardReport
    exactness: Exactness
    test_set: TestSet | None = Field(default=None, description="null where the package says nothing of one")
    performance: Performance
    resources: list[Resource]
    layers: list[LayerReport]
    fifos: Fifos
    tools: dict[str, str]
    notes: list[str] = Field(
        default_factory=list, description="what a reader of the figures must know: what was not timed, ..."
    )
    stages: list[StageReport]
    machine: Machine
    files: dict[str, str] = Field(description="what was made -> path relative to this file")
    detail: Detail | None = Field(default=None, description="null in a report that was not made by a build")

    def to_json(self) -> str:
        """Return the text of ``report.json``."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


class LogTail(_Strict):
    """The end of a log of the stage that failed."""

    file: str = Field(description="path relative to the folder of the build")
    lines: list[str]


class FailedReport(_Strict):
    """Contents of ``report.failed/report.json``: where and why the last build stopped."""

    format: Literal["finnspect-failed-report"] = FAILED_FORMAT
    format_version: Literal[1, 2] = FAILED_FORMAT_VERSION
    finnspect: str
    created: str = Field(description="UTC, ISO 8601")
    asked: dict[str, str] = Field(
        default_factory=dict, description="what to build, as it was asked for: package or dataset, board, ..."
    )
    package: PackageReport | None = Field(description="null where none could be read, or none was made yet")
    board: str | None = Field(description="null where none was named and none could be chosen")
    toolchain: str | None = Field(description="null where none was named and none could be chosen")
    stage: str | None = Field(
        description="the stage that failed; `refused` before any, `training` before those, null between two"
    )
    error: str = Field(description="kind of the error, as ResourceError")
    message: str
    remedy: str | None
    layer: str | None = Field(default=None, description="the layer or node that the error is about")
    logs: list[LogTail] = Field(default_factory=list)
    stages: list[StageReport] = Field(description="those that finished")
    edges: list[Edge] = Field(default_factory=list, description="the network, where the front end finished")
    tools: dict[str, str]
    machine: Machine
    earlier: bool = Field(default=False, description="whether an earlier build left a whole report")

    @property
    def title(self) -> str:
        """What was to be built, as far as it is known."""
        asked = self.asked
        name = self.package.name if self.package else asked.get("package") or asked.get("dataset")
        return f"{name or 'a package'} on {self.board or 'no board'}"

    @property
    def where(self) -> str:
        """Where it stopped, in words that follow the name of what was to be built."""
        if self.stage == REFUSED:
            return "was refused before any work"
        if self.stage == TRAINING:
            return "failed in its training"
        return f"failed in stage {self.stage}" if self.stage else "failed between two stages"

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel], name: str, version: int) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{name}:{version}"}
    return json.dumps(head | model.model_json_schema(), indent=1) + "\n"


def schema() -> str:
    """Return the JSON schema of ``report.json``; ``report.schema.json`` beside this module is this text."""
    return _schema(Report, FORMAT, FORMAT_VERSION)


def failed_schema() -> str:
    """Return that of a failed build's report, which is ``failed_report.schema.json``."""
    return _schema(FailedReport, FAILED_FORMAT, FAILED_FORMAT_VERSION)


def report_file(path: Path) -> Path:
    """Return the report.json that ``path`` stands for: itself, or that of a build folder."""
    if not path.is_dir():
        return path
    beside = path / "report.json"
    return beside if beside.is_file() else path / "report" / "report.json"


def load_report(path: Path) -> Report:
    """Read a report: the file, or the build folder that holds it.

    Raises
    ------
    PackageError
        There is none, or it is not a report of this version.
    """
    file = report_file(path)
    try:
        return Report.model_validate_json(file.read_text())
    except OSError as error:
        failed = path / "report.failed" / "report.html"
        raise PackageError(
            f"no report at {file}: {error.strerror}",
            f"the build failed: {failed} says where and why"
            if failed.is_file()
            else "make one with `finnspect build`, or check the path",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise PackageError(
            f"{file} is no {FORMAT} version {FORMAT_VERSION}: {where}: {first['msg']}",
            "build again with this version of finnspect",
        ) from error
