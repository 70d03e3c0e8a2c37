"""The stages of a build from its core to the report: what each is keyed by, and what it writes.

On FINN's road ``finn`` (the folder of its build), then ``bitstream``, ``deploy`` (zip) and ``report``. Those
before them are in ``core_stages.py``. The bodies import what they need when they run.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finnspect.board import Board
from finnspect.config import BuildConfig
from finnspect.core_stages import CoreStages
from finnspect.doctor import versions
from finnspect.package import ModelPackage
from finnspect.sources import source_hash
from finnspect.stages import StageResult, StageRunner, digest_of, hash_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from finnspect.toolchains.registry import Job


class Build(CoreStages):
    """One build in one folder. Each method runs a stage, and those before it, unless they are finished.

    Parameters
    ----------
    toolchain
        Name of the tools that make the bitstream; the others as for :class:`CoreStages`.
    """

    def __init__(
        self,
        runner: StageRunner,
        package: ModelPackage,
        board: Board,
        toolchain: str,
        config: BuildConfig,
        run: Path | None = None,
    ) -> None:
        super().__init__(runner, package, board, config, run)
        self.toolchain = toolchain

    def _road(self) -> tuple[dict[str, Any], Callable[[Path, str, Path | None], Job]]:
        """Return what decides the result of the road to hardware, and what makes a job for it."""
        from finnspect.emit import Accelerator
        from finnspect.toolchains.registry import Job

        core, model = self.rtl(), self.frontend()
        inputs = {
            "core": core.digest,
            "graph": model.digest,
            "board": hash_path(self.board.folder),
            "toolchain": self.toolchain,
            "clock_mhz": self.config.clock_mhz,
            "seed": self.config.seed,
            "sources": source_hash(
                "finnspect.toolchains.registry", "build/finnspect/toolchains", "hw/shell", "hw/rtl"
            ),
        }

        def job(folder: Path, build_id: str = "", prepared: Path | None = None) -> Job:
            return Job(
                Accelerator.load(core.folder / "core"),
                self.board,
                self.config.clock_mhz,
                self.config.seed,
                build_id,
                folder,
                self.runner.note,
                model.folder,
                self.package.path,
                prepared,
            )

        return inputs, job

    def prepared(self) -> StageResult | None:
        """Run what the road does before its tools, in a stage of its name; None where that is nothing."""
        from finnspect.toolchains.registry import TOOLCHAINS

        prepare = TOOLCHAINS[self.toolchain].prepare
        if prepare is None:
            return None
        inputs, job = self._road()
        own = {"package": self.package.digest, "versions": versions("numpy", "onnx", "qonnx", "finn-plus")}
        return self._once(
            self.toolchain, version=1, inputs=inputs | own, body=lambda folder: prepare(job(folder))
        )

    def bitstream(self) -> StageResult:
        """Synthesise, place, route and pack; a clock that is missed stops the build."""
        from finnspect.toolchains.registry import TOOLCHAINS

        self.simulation()  # nothing that is not exact becomes a bitstream
        inputs, job = self._road()
        before = self.prepared()
        inputs["versions"] = TOOLCHAINS[self.toolchain].versions(self.board)
        if before is not None:
            inputs["prepared"] = before.digest
        build_id = digest_of(inputs)[:32]

        def body(folder: Path) -> None:
            TOOLCHAINS[self.toolchain].build(job(folder, build_id, before.folder if before else None))

        bits = ("*.bit", "*.hwh")
        return self._once(
            "bitstream", version=2, inputs=inputs, body=body, products=(*bits, "bitstream.json")
        )

    @property
    def deploys(self) -> bool:
        """Whether the toolchain makes something to deploy."""
        from finnspect.toolchains.registry import TOOLCHAINS

        return TOOLCHAINS[self.toolchain].deploys

    def deploy(self) -> StageResult:
        """Put together all that a host needs."""
        model, core = self.frontend(), self.rtl()
        simulated, bits = self.simulation(), self.bitstream()

        def body(folder: Path) -> None:
            from finnspect.deploy import pack_build

            pack_build(
                folder / f"{self.package.info.name}-{self.board.name}.zip",
                self.package,
                self.board,
                graph_dir=model.folder,
                core_dir=core.folder / "core",
                bitstream_dir=bits.folder,
                simulation=json.loads((simulated.folder / "simulation.json").read_text()),
            )

        return self._once(
            "deploy",
            version=1,
            inputs={
                "package": self.package.digest,
                "graph": model.digest,
                "core": core.digest,
                "simulation": simulated.digest,
                "bitstream": bits.digest,
                "sources": source_hash("finnspect.deploy", "hw/driver"),
            },
            body=body,
            products=("*.zip",),
        )

    def report(self) -> StageResult:
        """Write ``report.json``, ``report.md`` and ``report.html``."""
        from finnspect.deploy import check_deployable

        self.frontend()
        check_deployable(self.graph)
        stages = [
            self.frontend(),
            self.folding(),
            self.fifos(),
            self.rtl(),
            self.simulation(),
            self.prepared(),
            self.bitstream(),
            self.deploy() if self.deploys else None,
            self.test(),
        ]
        stages = [stage for stage in stages if stage is not None]

        def body(folder: Path) -> None:
            from finnspect.report.html import page
            from finnspect.report.make import make_report
            from finnspect.report.summary import markdown

            home = self.runner.root / "report"
            report = make_report(self.package, self.board, self.toolchain, stages, self.run, home)
            (folder / "report.json").write_text(report.to_json())
            (folder / "report.md").write_text(markdown(report))
            (folder / "report.html").write_text(page(report, folder, self.run))

        return self._once(
            "report",
            version=2,
            inputs={
                "package": self.package.digest,
                "stages": {stage.name: [stage.key, stage.digest, stage.seconds] for stage in stages},
                "python": platform.python_version(),
                "sources": source_hash(
                    "finnspect.report.make", "finnspect.report.summary", "build/finnspect/report"
                ),
            },
            body=body,
        )
