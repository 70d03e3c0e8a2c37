"""Small networks in FINN's builder: as far as it goes without Vivado, and a stand-in for the rest."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from finnspect.board import load_board
from finnspect.errors import ToolError
from finnspect.folding import Folding, choose_folding
from finnspect.frontend import FrontendResult, compile_package, compile_qonnx
from finnspect.toolchains import finn_builder
from finnspect.toolchains.finn_builder_config import build_config
from finnspect.toolchains.finn_builder_steps import FinnModel, run_finn_steps
from nets import make_package, random_qonnx
from xc7_tools import DATA, load, program

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


def build_without_vivado(root):
    """Build on a machine without Vivado: packages ``root/package``; return the error that it ends in."""
    result = compile_package(make_package(root / "package", random_qonnx(9)), root / "frontend")
    result.graph.save(root / "frontend")
    folding = choose_folding(result.graph, 3000)
    finn_builder.prepare(
        root / "frontend", result.finn_model_path, folding, BOARD, None, root / "out" / "finn"
    )
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ToolError) as caught:
        patch.delenv("XILINX_VIVADO", raising=False)
        patch.setenv("PATH", str(root))
        finn_builder.build_bitstream(root / "out" / "finn", BOARD, root / "built")
    return caught.value


def install_finn(folder, monkeypatch, search="/usr/bin:/bin"):
    """Put programs of Vivado's names and FINN's stand-in into ``folder``; return what sets its behaviour."""
    programs = folder / "Vivado" / "2023.2" / "bin"
    for name in ("vivado", "vitis_hls"):
        program(programs / name, "echo", name)
    monkeypatch.setenv("PATH", os.pathsep.join([str(programs), search]))
    monkeypatch.setenv("XILINX_VIVADO", str(programs.parent))
    monkeypatch.setenv("PYTHONPATH", str(DATA / "finn" / "standin"))
    bit, report = folder / "standin.bit", folder / "timing.rpt"
    bit.write_bytes(load(DATA / "openxc7" / "tools.py").bit_file())

    def behave(setup=0.8, **mode):
        config = {"version": "2023.2", "setup": setup, "hold": 0.05}
        report.write_text(load(DATA / "vivado" / "vivado.py").timing(config, "clk_out1", 10.0))
        monkeypatch.setenv("FINN_STANDIN", json.dumps({"bit": str(bit), "timing": str(report)} | mode))

    behave()
    return behave
