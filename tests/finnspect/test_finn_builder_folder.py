"""The folder of a build by FINN's own builder: what is in it, and its script."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finn_nets import BOARD, build_without_vivado, install_finn
from finnspect.errors import ConfigError, ToolError
from finnspect.folding import choose_folding
from finnspect.ir import DataflowGraph
from finnspect.reference import logits
from finnspect.toolchains import finn_builder_deploy
from finnspect.toolchains.finn_builder_config import BOARDS, build_config, core_clock_mhz
from finnspect.toolchains.finn_builder_folder import Handoff
from finnspect.toolchains.finn_builder_steps import BUILD_STEPS, some_images


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A build on a machine without Vivado: its folder, and the error that it ends in."""
    root = tmp_path_factory.mktemp("finn")
    return root, build_without_vivado(root)


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the folder of the build."""
    return shutil.copytree(made[0] / "out" / "finn", tmp_path / "finn")


@pytest.fixture
def vivado(tmp_path, monkeypatch):
    """A machine with Vivado, as far as FINN's stand-in needs it; returns what sets its behaviour."""
    return install_finn(tmp_path, monkeypatch)


# -- the folder ----------------------------------------------------------------------------------------


def test_without_vivado_the_error_says_what_is_needed_and_where_the_folder_is(made):
    root, error = made
    assert str(root / "out" / "finn") in error.message
    for words in ("Vivado (no program", "Vitis HLS", "XILINX_VIVADO", "run_finn.py"):
        assert words in error.message
    assert "finn-plus==" in error.remedy
    names = {path.name for path in (root / "out" / "finn").iterdir()}
    files = {"model.onnx", "finn_config.yaml", "folding.json", "handoff.json", "run_finn.py", "README.txt"}
    assert names == files | {"reference"}


def test_finns_own_class_takes_the_configuration(folder):
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType, ShellFlowType

    config = DataflowBuildConfig.construct_from(folder / "finn_config.yaml")
    assert config.board == "Pynq-Z2"
    assert config._resolve_fpga_part() == BOARD.part.name
    assert config.shell_flow_type is ShellFlowType.VIVADO_ZYNQ
    assert config._resolve_driver_platform() == "zynq-iodma"
    assert config.synth_clk_period_ns == pytest.approx(1000 / BOARD.clock.default_mhz)
    assert config.folding_config_file == folder / "folding.json"  # wherever the folder was copied to
    assert config.steps == list(BUILD_STEPS)
    wanted = {
        DataflowOutputType.BITFILE,
        DataflowOutputType.PYNQ_DRIVER,
        DataflowOutputType.DEPLOYMENT_PACKAGE,
    }
    assert wanted <= set(config.generate_outputs)
    assert DataflowBuildConfig.from_yaml(config.to_yaml()) == config
    assert str(folder.parent) not in (folder / "finn_config.yaml").read_text()


def test_finn_knows_the_steps(folder):
    """FINN's own resolution of names; and the folder has what FINN reads, by the names FINN gives."""
    from finnspect.toolchains.finn_builder_steps import NAMING_STEPS, finn_builder, run_step
    from qonnx.core.modelwrapper import ModelWrapper

    from_file = json.loads((folder / "folding.json").read_text())
    with finn_builder(folder / "tmp") as steps:
        from finn.builder.build_dataflow import resolve_build_steps
        from finn.builder.build_dataflow_config import DataflowBuildConfig

        config = DataflowBuildConfig.construct_from(folder / "finn_config.yaml")
        assert [step.__name__ for step in resolve_build_steps(config)] == list(BUILD_STEPS)
        config.output_dir = str(folder / "tmp" / "output")
        model = ModelWrapper(str(folder / "model.onnx"))
        for name in NAMING_STEPS:
            model = run_step(steps, name, model, config)
    assert {node.name for node in model.graph.node} == set(from_file) - {"Defaults"}


def test_the_same_inputs_give_the_same_folder(made, tmp_path):
    root, _ = made
    graph = DataflowGraph.load(root / "frontend")
    from finnspect.toolchains.finn_builder_folder import write_build_folder

    model = root / "frontend" / "finn_hw.onnx"
    write_build_folder(graph, choose_folding(graph, 3000), model, BOARD, 100.0, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (root / "out" / "finn" / path.name).read_bytes(), path.name


def test_handoff(made, folder):
    handoff = Handoff.load(folder)
    graph = DataflowGraph.load(made[0] / "frontend")
    shape = list(graph.tensors[graph.input].shape)
    assert handoff.input["datatype"] == "UINT8"
    assert handoff.input["normal"] == [1, *shape]
    assert np.prod(handoff.input["packed"]) == np.prod(shape)  # raw bytes: nothing is packed on the host
    assert handoff.fclk_mhz == 100.0
    assert set(handoff.nodes) == {layer.name for layer in graph}
    assert handoff.estimates["kind"] == "estimated"
    assert Handoff.load(folder) == handoff


def test_the_driver_unpacks_what_finn_packs(made, folder):
    from finn.util.data_packing import finnpy_to_packed_bytearray
    from finnspect_driver.backends.finn_iodma import unpack, word_bytes
    from qonnx.core.datatype import DataType

    handoff = Handoff.load(folder)
    graph = DataflowGraph.load(made[0] / "frontend")
    values = logits(graph, some_images(graph, 4))
    dtype = DataType[handoff.output["datatype"]]
    assert values.min() >= dtype.min()
    assert values.max() <= dtype.max()
    pe, bits = handoff.output_pe, handoff.output_bits
    folded = values.reshape(len(values), -1, pe).astype(np.float32)
    packed = finnpy_to_packed_bytearray(folded, dtype, reverse_endian=True, reverse_inner=True)
    assert packed.shape[-1] == handoff.output["packed"][-1] == word_bytes(bits, pe)
    assert np.array_equal(unpack(packed.astype(np.uint8), bits, pe, handoff.output["signed"]), values)


def test_finns_own_driver_is_told_the_same(made, folder):
    """FINN's real passes put its DMAs around the graph and write its driver's settings."""
    from finnspect.toolchains.finn_builder_steps import FOLDING_STEPS, NAMING_STEPS, finn_builder, run_step
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.general import GiveUniqueNodeNames

    with finn_builder(folder / "tmp") as steps:
        from finn.transformation.fpgadataflow.create_dataflow_partition import CreateDataflowPartition
        from finn.transformation.fpgadataflow.floorplan import Floorplan
        from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
        from finn.transformation.fpgadataflow.insert_iodma import InsertIODMA
        from finn.transformation.fpgadataflow.make_driver import MakePYNQDriver
        from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

        config = build_config(BOARD, 100.0, folder)
        config.output_dir = str(folder / "tmp" / "output")
        model = ModelWrapper(str(folder / "model.onnx"))
        for name in (*NAMING_STEPS, *FOLDING_STEPS):
            model = run_step(steps, name, model, config)
        passes = (InsertIODMA(64), InsertDWC(), SpecializeLayers(BOARD.part.name), GiveUniqueNodeNames())
        for each in (*passes, Floorplan(), CreateDataflowPartition(str(folder / "tmp" / "parts"))):
            model = model.transform(each)
        ends = [node for node in model.graph.node if "IODMA_hls" in _operators(node)]
        for node, name in zip(ends, ("idma0", "odma0"), strict=True):  # as FINN's Zynq project names them
            getCustomOp(node).set_nodeattr("instance_name", name)
        model = model.transform(MakePYNQDriver("zynq-iodma", "FINNDMAOverlay", clk_period_ns=10.0))
        written = Path(model.get_metadata_prop("pynq_driver_dir")) / "settings.json"
    finn_builder_deploy.check_driver_settings(json.loads(written.read_text()), Handoff.load(folder))


def _operators(partition):
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.registry import getCustomOp

    inner = ModelWrapper(getCustomOp(partition).get_nodeattr("model"))
    return {node.op_type for node in inner.graph.node}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "finnspect-finn-handoff", "format_version": 9}']
)
def test_a_bad_handoff_is_an_error(tmp_path, text):
    (tmp_path / "handoff.json").write_text(text)
    with pytest.raises(ToolError, match="no hand-off"):
        Handoff.load(tmp_path)


def test_boards_and_clocks(tmp_path):
    from finnspect.board import load_board

    for name in BOARDS:
        assert build_config(load_board(name), 50.0, tmp_path).synth_clk_period_ns == 20.0
    with pytest.raises(ConfigError, match="no board 'ulx3s-85f'"):
        build_config(load_board("ulx3s-85f"), 50.0, tmp_path)
    assert core_clock_mhz(BOARD, None) == BOARD.clock.default_mhz
    with pytest.raises(ConfigError, match="400 MHz"):
        core_clock_mhz(BOARD, 400)


# -- the script ----------------------------------------------------------------------------------------


def script(folder, *arguments):
    return subprocess.run(
        [sys.executable, folder / "run_finn.py", *arguments], capture_output=True, text=True, check=False
    )


def test_the_script_says_what_is_missing(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("XILINX_VIVADO", raising=False)
    done = script(folder, "--check")
    assert done.returncode == 2
    assert [line.split(" (")[0] for line in done.stderr.splitlines()] == [
        "ERROR: no program 'vivado' on PATH",
        "ERROR: no program 'vitis_hls' or 'vitis-run' on PATH",
        "ERROR: XILINX_VIVADO is not set",
    ]
    assert script(folder).returncode == 2


def test_the_script_takes_the_version_that_the_folder_was_checked_with(folder, vivado):
    assert script(folder, "--check").returncode == 0
    path = folder / "run_finn.py"
    version = Handoff.load(folder).finn_version
    path.write_text(path.read_text().replace(f'"{version}"', '"0.0.1"'))
    done = script(folder, "--check")
    assert done.returncode == 2
    assert f"finn-plus is {version}, this folder was made and checked with 0.0.1" in done.stderr
    assert script(folder, "--check", "--any-version").returncode == 0


def test_the_script_calls_finn_as_finn_is(folder):
    """The stand-in has these functions too; here it is the installed FINN that must take the calls."""
    calls = {
        ast.unparse(node.func): node
        for node in ast.walk(ast.parse((folder / "run_finn.py").read_text()))
        if isinstance(node, ast.Call)
    }
    code = (
        "import inspect, json, sys\n"
        "from finn.interface.run_finn import ensure_ld_library_path, prepare_finn\n"
        "from finn.interface.settings import FINNSettings\n"
        "from finn.builder.build_dataflow_config import DataflowBuildConfig\n"
        "import finn.xsi; finn.xsi.SimEngine = None\n"
        "from finn.util.settings import initialize_dummy_settings; initialize_dummy_settings()\n"
        "from finn.builder.build_dataflow import build_dataflow_cfg\n"
        "for name, (count, words) in json.loads(sys.argv[1]).items():\n"
        "    inspect.signature(eval(name)).bind(*range(count), **dict.fromkeys(words))\n"
    )
    names = ["ensure_ld_library_path", "FINNSettings.init", "prepare_finn", "build_dataflow_cfg"]
    names += ["DataflowBuildConfig.construct_from"]
    given = {name: (len(calls[name].args), [word.arg for word in calls[name].keywords]) for name in names}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
