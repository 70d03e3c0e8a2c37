"""Small networks that went through FINN's builder as far as it goes without Vivado."""

from dataclasses import dataclass
from pathlib import Path

from finnspect.board import load_board
from finnspect.folding import Folding, choose_folding
from finnspect.frontend import FrontendResult, compile_qonnx
from finnspect.toolchains.finn_builder_config import build_config
from finnspect.toolchains.finn_builder_steps import FinnModel, run_finn_steps
from nets import random_qonnx

BOARD = load_board("pynq-z2")


@dataclass
class Prepared:
    """A network, its folding, and what FINN made of both."""

    result: FrontendResult
    folding: Folding
    finn: FinnModel
    reports: Path

    @property
    def graph(self):
        return self.result.graph


def compiled_net(seed, folder, cycles=3000):
    """Return the front end's result for a random net, and a folding."""
    net = random_qonnx(seed)
    path = net.save(folder / "m.onnx")
    classes = [f"class{i}" for i in range(net.value.shape[1])]
    result = compile_qonnx(path, classes, folder / "frontend", images=net.images[:1])
    return result, choose_folding(result.graph, cycles)


def prepared(seed, folder, cycles=3000):
    """Return a random net after FINN's steps."""
    result, folding = compiled_net(seed, folder, cycles)
    config = build_config(BOARD, 100.0, folder)
    finn = run_finn_steps(result.graph, folding, result.finn_model_path, config, folder / "tmp")
    return Prepared(result, folding, finn, folder / "tmp" / "output" / "report")
