"""Put a report together from what the stages of a build wrote."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finnspect import __version__
from finnspect.board import Board
from finnspect.doctor import available_cores, tool_versions
from finnspect.emit import Accelerator
from finnspect.ir import DataflowGraph, Depthwise, Layer, MatVec
from finnspect.package import ModelPackage
from finnspect.report.detail import make_detail
from finnspect.report.model import (
    BoardReport,
    Exactness,
    Fifos,
    Figure,
    LayerReport,
    Machine,
    PackageReport,
    Performance,
    Report,
    Resource,
    StageReport,
    TestSet,
)
from finnspect.stages import StageResult
from finnspect.toolchains.floorplan import FILE as FLOORPLAN
from finnspect.toolchains.result import BitstreamResult

_COMPARED = "RTL simulation against the integer reference, every logit of every image"


def make_report(
    package: ModelPackage,
    board: Board,
    toolchain: str,
    stages: Sequence[StageResult],
    run: Path | None = None,
    report_folder: Path | None = None,
) -> Report:
    """Return the report of a build.

    Parameters
    ----------
    stages
        The finished stages ``frontend``, ``folding``, ``fifos``, ``rtl``, ``simulation``, ``bitstream``,
        ``deploy``, and ``test`` where the training run is at hand.
    run
        The training run, where it is at hand.
    report_folder
        Where the report will lie; a run is named relative to it.
    """
    folder = {stage.name: stage.folder for stage in stages}
    graph = DataflowGraph.load(folder["frontend"])
    core = Accelerator.load(folder["rtl"] / "core")
    bits = BitstreamResult.load(folder["bitstream"])
    simulation = json.loads((folder["simulation"] / "simulation.json").read_text())
    estimate = json.loads((folder["folding"] / "estimate.json").read_text())
    front = json.loads((folder["frontend"] / "frontend.json").read_text())
    return Report(
        finnspect=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        package=_package(package),
        board=BoardReport(
            name=board.name,
            part=board.part.name,
            toolchain=toolchain,
            shell=board.shell,
            clock_mhz=bits.clock_mhz,
            seed=bits.seed,
            build_id=bits.build_id,
        ),
        exactness=Exactness(
            mismatches=0,
            compared=_COMPARED,
            thresholds=front["thresholds"],
            thresholds_changed=front["thresholds_changed"],
            **{
                name: simulation[name]
                for name in (
                    "images",
                    "logits",
                    "qonnx_mismatches",
                    "logit_ties",
                    "changed_predictions",
                    "correct",
                )
            },
        ),
        test_set=_test_set(package, folder.get("test")),
        performance=_performance(simulation, bits),
        resources=_resources(board, bits, estimate["total"]),
        layers=[_layer(layer, graph, core, simulation, estimate, bits) for layer in graph],
        fifos=_fifos(json.loads((folder["fifos"] / "fifos.json").read_text())),
        tools=tool_versions(bitstream=False) | bits.versions,
        notes=list(bits.notes),
        stages=[
            StageReport(
                name=stage.name,
                key=stage.key,
                seconds=Figure(value=stage.seconds, unit="s", kind="measured"),
            )
            for stage in stages
        ],
        machine=Machine(platform=platform.platform(), cpu_cores=available_cores()),
        detail=make_detail(graph, core, board, bits, folder, package.info.command),
        files={
            **_made(package, board, bits, "deploy" in folder),
            **_beside(folder["bitstream"], run, report_folder),
            "core": "../rtl/core/manifest.json",
            "dataflow graph": "../frontend/dataflow.json",
            "simulation": "../simulation/simulation.json",
        },
    )


def _fifos(sizing: Mapping[str, Any]) -> Fifos:
    return Fifos(
        count=len(sizing["fifos"]),
        bits=Figure(value=sizing["bits"], unit="bits", kind="simulated", source="most beats held"),
        unsized_bits=Figure(
            value=sizing["unsized_bits"], unit="bits", kind="estimated", source="what the branches can hold"
        ),
    )


def _beside(bitstream: Path, run: Path | None, report_folder: Path | None) -> dict[str, str]:
    """Return what only the page reads, where it is there."""
    files = {"floor plan": f"../bitstream/{FLOORPLAN}"} if (bitstream / FLOORPLAN).is_file() else {}
    if run is not None and report_folder is not None:
        files["training run"] = os.path.relpath(run, report_folder)
    return files


def _made(package: ModelPackage, board: Board, bits: BitstreamResult, deployed: bool) -> dict[str, str]:
    files = {"deploy zip": f"../deploy/{package.info.name}-{board.name}.zip"} if deployed else {}
    if bits.bitstream is not None:
        files["bitstream"] = f"../bitstream/{bits.bitstream.name}"
    if bits.hwh is not None:
        files["hardware description"] = f"../bitstream/{bits.hwh.name}"
    return files


def _package(package: ModelPackage) -> PackageReport:
    info = package.info
    return PackageReport(
        name=info.name,
        model=info.model,
        dataset=info.dataset,
        classes=info.classes,
        input_shape=package.input_shape,
        digest=package.digest,
        data_sha256=info.data_sha256,
        metrics=info.metrics,
    )


def _test_set(package: ModelPackage, folder: Path | None) -> TestSet | None:
    """Return the test set's figures: measured now where the run is at hand, else at export."""
    if folder is not None:
        found = json.loads((folder / "test.json").read_text())
        accuracy = Figure(value=found["accuracy"], unit="ratio", kind="measured", source="integer reference")
        compared = "integer reference against torch"
    else:
        metrics = package.info.metrics
        if "test_accuracy" not in metrics or "export" not in metrics:
            return None
        exported = metrics["export"]
        found = {
            "images": exported["images"],
            "changed_predictions": exported["changed_predictions"],
            "ties": exported["ties"],
        }
        accuracy = Figure(value=metrics["test_accuracy"], unit="ratio", kind="measured", source="torch")
        compared = "QONNX execution against torch, when the package was exported"
    return TestSet(
        images=found["images"],
        accuracy=accuracy,
        changed_predictions=found["changed_predictions"],
        ties=found["ties"],
        compared=compared,
    )


#: Source of the cycles of hardware that is not the core that was simulated.
_FINNS = "FINN's estimates"


def _cycles(simulation: Mapping[str, Any], bits: BitstreamResult) -> dict[str, Figure]:
    """Return the figures in cycles: simulated, or FINN's estimates where the hardware is FINN's."""
    kind, source = ("simulated", "Verilator") if bits.simulated else ("estimated", _FINNS)
    frame = simulation["cycles_per_frame"] if bits.simulated else bits.cycles_per_frame
    latency = simulation["latency_cycles"] if bits.simulated else bits.latency_cycles
    bound = simulation["bound_cycles"]

    def figure(value: float, unit: str = "cycles", said: str = source) -> Figure:
        return Figure(value=value, unit=unit, kind=kind, source=said)

    return {
        "folding_bound": Figure(value=bound, unit="cycles", kind="estimated", source="slowest layer"),
        "cycles_per_frame": figure(frame),
        "latency": figure(latency),
        "efficiency": figure(bound / frame, "ratio", "folding bound / cycles a frame"),
    }


def _performance(simulation: Mapping[str, Any], bits: BitstreamResult) -> Performance:
    cycles = _cycles(simulation, bits)
    frame = cycles["cycles_per_frame"]
    timed = bits.fmax_mhz is not None
    of_frame = f"{frame.kind} cycles a frame" + ("" if bits.simulated else f" ({frame.source})")
    return Performance(
        **cycles,
        fmax=Figure(value=bits.fmax_mhz, unit="MHz", kind="post-route", source=bits.tools["post-route"])
        if timed
        else None,
        critical_path=bits.critical_path,
        clock=Figure(value=bits.clock_mhz, unit="MHz", kind="post-route", source="met by the bitstream")
        if timed
        else Figure(value=bits.clock_mhz, unit="MHz", kind="estimated", source="asked for, not timed"),
        fps=Figure(
            value=bits.clock_mhz * 1e6 / frame.value,
            unit="frames/s",
            kind="computed" if bits.simulated else "estimated",
            source=f"{'post-route clock' if timed else 'clock asked for'} / {of_frame}",
        ),
        power=Figure(value=bits.power_w, unit="W", kind="estimated", source=bits.tools["post-route"])
        if bits.power_w is not None
        else None,
        link_fps=Figure(
            value=bits.link_fps,
            unit="frames/s",
            kind="computed",
            source=f"serial link at {bits.baud} baud",
        )
        if bits.link_fps is not None
        else None,
    )


#: Family -> cells that the estimates count, and by what name.
_ESTIMATED = {
    "ecp5": {"LUT4": "lut", "FF": "ff", "DP16KD": "bram", "MULT18X18D": "dsp"},
    "xc7": {"LUT": "lut", "FF": "ff", "BRAM36": "bram", "DSP48E1": "dsp"},
}
#: Blocks that the estimates count for one of these: halves of 18 kbit.
_PARTS = {"BRAM36": 2}


def _resources(board: Board, bits: BitstreamResult, estimate: Mapping[str, Any]) -> list[Resource]:
    names = _ESTIMATED[board.part.family]
    there = {**bits.available, **board.resources}
    rows = []
    for name in dict.fromkeys((*names, *bits.post_synthesis, *bits.resources)):
        for kind, used in (("post-route", bits.resources), ("post-synthesis", bits.post_synthesis)):
            if name in used:
                rows.append(_resource(name, used[name], kind, bits.tools[kind], there.get(name)))
        if name in names:
            count = -(-estimate[names[name]] // _PARTS.get(name, 1))
            rows.append(_resource(name, count, "estimated", "core and shell", there.get(name)))
    source = f"{bits.tools.get('post-synthesis')}, core alone"
    for name, used in bits.core.items():
        rows.append(_resource(f"{name}, core alone", used, "post-synthesis", source, there.get(name)))
    return rows


def _resource(name: str, used: int, kind: Any, source: str, available: int | None) -> Resource:
    figure = Figure(value=used, unit="cells", kind=kind, source=source)
    return Resource(name=name, used=figure, available=available)


def _layer(
    layer: Layer,
    graph: DataflowGraph,
    core: Accelerator,
    simulation: Mapping[str, Any],
    estimate: Mapping[str, Any],
    bits: BitstreamResult,
) -> LayerReport:
    source, sink = graph.tensors[layer.inputs[0]], graph.tensors[layer.outputs[0]]
    folding = core.manifest["folding"][layer.name]
    frames = simulation["frames"]
    links = simulation["links"]
    reads = next(link for link in links if core.reader(link["net"]) == layer.name)
    writes = next(link for link in links if link["tensor"] == layer.outputs[0])

    def simulated(count: int) -> Figure | None:
        if not bits.simulated:  # the layers are not those of the hardware
            return None
        return Figure(value=round(count / frames, 1), unit="cycles", kind="simulated", source="mean a frame")

    cells = estimate["resources"][layer.name] if bits.simulated else {}
    cells = {name: cell for name, cell in cells.items() if name not in ("kind", "bram_bits")}
    return LayerReport(
        name=layer.name,
        kind=layer.kind,
        input_shape=source.shape,
        output_shape=sink.shape,
        weight_type=str(layer.weight_dtype) if isinstance(layer, MatVec | Depthwise) else None,
        input_type=str(source.dtype),
        output_type=str(sink.dtype),
        pe=folding.get("PE"),
        simd=folding.get("SIMD"),
        cycles_bound=Figure(value=estimate["cycles"][layer.name], unit="cycles", kind="estimated"),
        cycles_simulated=simulated(max(reads["transfers"], writes["transfers"])),
        stalled_in_cycles=simulated(reads["starved_cycles"]),
        stalled_out_cycles=simulated(writes["stalled_cycles"]),
        resources={name: Figure(value=v, unit="cells", kind="estimated") for name, v in cells.items()},
    )
