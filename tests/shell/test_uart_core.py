"""Images through the UART pins of the whole board, around emitted cores: the reference's logits come back."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.board import load_board
from finnspect.config import DEFAULT_PACKAGE, find_package
from finnspect.emit import emit_accelerator
from finnspect.folding import choose_folding
from finnspect.package import ModelPackage
from finnspect.reference import logits as reference_logits
from finnspect.sim.uart import UartSimulation, build_uart_model
from finnspect_driver.uart import UartAccelerator
from graphs import Conv, Pool, dense, make_graph

BUILD_ID = "c0ffee00" * 4


def run(graph, images, folder, target_cycles, **line):
    accelerator = emit_accelerator(graph, choose_folding(graph, target_cycles), folder / "core")
    model = build_uart_model(accelerator, load_board("ulx3s-85f"), folder / "sim", BUILD_ID)
    with UartSimulation(model, **line) as simulation:
        device = UartAccelerator(simulation, build_id=BUILD_ID, timeout_s=60)
        logits, cycles = [], []
        for image in images:
            logits.append(device.infer(image))
            cycles.append(device.last_cycles)
    return np.stack(logits), cycles, accelerator


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_network(tmp_path, channels):
    graph = make_graph((8, 8, channels), [Conv(4, pad=(1, 1, 1, 1)), Pool(), dense(5)], seed=channels)
    images = np.random.default_rng(3).integers(0, 256, (20, 8, 8, channels), dtype=np.uint8)
    logits, cycles, accelerator = run(graph, images, tmp_path, 600, gap_bits=3, baud_error_percent=1.0)
    np.testing.assert_array_equal(logits, reference_logits(graph, images))
    # A single frame takes at least the slowest layer's time, and every one as long.
    assert len(set(cycles)) == 1
    assert cycles[0] >= accelerator.bound.cycles


def test_the_shipped_model_answers_its_golden_images(tmp_path):
    from finnspect.frontend import compile_package

    package = ModelPackage.load(find_package(DEFAULT_PACKAGE))
    graph = compile_package(package, tmp_path / "frontend").graph
    golden = package.golden()
    logits, _, _ = run(graph, golden.images[:3], tmp_path, 150_000)
    # Expected integers come from executing the exported QONNX file.
    np.testing.assert_array_equal(logits, golden.logits_int[:3])
