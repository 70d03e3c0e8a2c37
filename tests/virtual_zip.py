"""Deploy zips of small random networks, for the virtual board."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from finnspect import reference
from finnspect.board import load_board
from finnspect.deploy import AcceleratorInfo, AxiLink, Stream, UartLink, write_deploy
from finnspect.emit import Accelerator, emit_accelerator
from finnspect.folding import choose_folding
from finnspect.ir import DataflowGraph
from finnspect.package import Preprocessing
from finnspect_driver import registers as regs
from graphs import Conv, Pool, dense, make_graph, random_images

BUILD_ID = "00112233445566778899aabbccddeeff"
#: Where tests that map memory by hand put images and logits.
SOURCE, TARGET = 0x2000_0000, 0x3000_0000


@dataclass(frozen=True)
class Net:
    """A network, its core and its deploy zip."""

    graph: DataflowGraph
    core: Accelerator
    path: Path

    def images(self, count: int, seed: int = 0) -> np.ndarray:
        return random_images(self.graph, count, seed)

    def logits(self, images: np.ndarray) -> np.ndarray:
        return reference.logits(self.graph, images)


def small_graph(classes: int = 3, shape: tuple[int, int, int] = (7, 9, 1), seed: int = 0) -> DataflowGraph:
    """A frame of 63 bytes and three logits: neither is a multiple of the bus's 8 bytes."""
    return make_graph(shape, [Conv(4, pad=(1, 1, 1, 1)), Pool(), dense(classes)], seed=seed)


def make_net(
    folder: Path, graph: DataflowGraph, board: str = "pynq-z2", build_id: str = BUILD_ID, cycles: int = 1200
) -> Net:
    """Emit a network's core and write the zip that a build without a toolchain makes of it."""
    core = emit_accelerator(graph, choose_folding(graph, cycles), folder / "core")
    described = load_board(board)
    shape = graph.tensors[graph.input].shape
    images = random_images(graph, 9, seed=3)
    golden = io.BytesIO()
    np.savez_compressed(
        golden,
        images=images,
        logits_int=reference.logits(graph, images).astype(np.int32),
        labels=np.full(9, -1, np.int64),
    )
    axi = described.shell == "finnspect-axi"
    info = AcceleratorInfo(
        name=graph.name,
        board=board,
        part=described.part.name,
        shell=described.shell,
        interface_version=1,
        build_id=build_id,
        clock_mhz=100.0 if axi else 75.0,
        input=Stream(shape=shape, dtype="uint8", frame_bytes=core.frame_bytes),
        output=Stream(shape=(1, 1, core.classes), dtype="int32", frame_bytes=4 * core.classes),
        axi=AxiLink(base_address=described.axi.base_address, fclk_mhz=100.0) if axi else None,
        uart=None if axi else UartLink(baud=3_000_000, protocol="docs/uart.md"),
        logit_scale=graph.logit_scale.tolist(),
        logit_bias=graph.logit_bias.tolist(),
        classes=[f"class{index}" for index in range(core.classes)],
        preprocessing=Preprocessing(color="grey", height=shape[0], width=shape[1], scale=1 / 255),
        bitstream=None,
        cycles_per_frame=core.bound.cycles,
    )
    graph.save(folder)
    files = {
        "golden.npz": golden.getvalue(),
        "model/dataflow.json": folder / "dataflow.json",
        "model/dataflow.npz": folder / "dataflow.npz",
        **{f"core/{name}": core.path / name for name in ("manifest.json", *core.sources, *core.images)},
    }
    return Net(graph, core, write_deploy(folder / f"{graph.name}.zip", info, files))


def start_run(board, images: np.ndarray, source: int = SOURCE, target: int = TARGET) -> None:
    """Put images into a virtual board's memory and start a run."""
    board.write_memory(source, images.tobytes())
    for register, value in (
        (regs.INPUT_ADDR, source),
        (regs.OUTPUT_ADDR, target),
        (regs.FRAMES, len(images)),
        (regs.CONTROL, regs.CONTROL_CLEAR | regs.CONTROL_START),
    ):
        board.write_register(register, value)
