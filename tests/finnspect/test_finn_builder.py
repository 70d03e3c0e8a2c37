"""The toolchain ``finn``: the folder of a build, running it with a stand-in, and the deploy zip."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finn_nets import BOARD
from finnspect.deploy import read_deploy
from finnspect.errors import ConfigError, TimingError, ToolError, UnsupportedModelError
from finnspect.folding import choose_folding
from finnspect.frontend import compile_package
from finnspect.ir import DataflowGraph
from finnspect.reference import logits
from finnspect.toolchains import finn_builder, finn_builder_deploy
from finnspect.toolchains.finn_builder_config import BOARDS, build_config, core_clock_mhz
from finnspect.toolchains.finn_builder_deploy import collect, dma_addresses, pack_folder
from finnspect.toolchains.finn_builder_folder import Handoff
from finnspect.toolchains.finn_builder_steps import BUILD_STEPS, some_images
from finnspect.toolchains.result import BitstreamResult
from nets import make_package, random_qonnx
from xc7_tools import DATA, program

STANDIN = DATA / "finn" / "standin"


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A build on a machine without Vivado: its folder, and the error that it ends in."""
    root = tmp_path_factory.mktemp("finn")
    net = random_qonnx(4)
    package = make_package(root / "package", net)
    result = compile_package(package, root / "frontend")
    result.graph.save(root / "frontend")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ToolError) as caught:
        patch.delenv("XILINX_VIVADO", raising=False)
        patch.setenv("PATH", str(root))
        finn_builder.build_bitstream(
            root / "frontend",
            result.finn_model_path,
            choose_folding(result.graph, 3000),
            BOARD,
            None,
            root / "out",
        )
    return root, caught.value


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the folder of the build."""
    return shutil.copytree(made[0] / "out" / "finn", tmp_path / "finn")


@pytest.fixture
def vivado(tmp_path, monkeypatch):
    """A machine with programs of Vivado's names and FINN's stand-in; returns what sets its behaviour."""
    programs = tmp_path / "Vivado" / "2023.2" / "bin"
    for name in ("vivado", "vitis_hls"):
        program(programs / name, "echo", name)
    monkeypatch.setenv("PATH", os.pathsep.join([str(programs), "/usr/bin", "/bin"]))
    monkeypatch.setenv("XILINX_VIVADO", str(programs.parent))
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    bit, report = tmp_path / "standin.bit", tmp_path / "timing.rpt"
    bit.write_bytes(_load(DATA / "openxc7" / "tools.py").bit_file())

    def behave(setup=0.8, **mode):
        config = {"version": "2023.2", "setup": setup, "hold": 0.05}
        report.write_text(_load(DATA / "vivado" / "vivado.py").timing(config, "clk_out1", 10.0))
        monkeypatch.setenv("FINN_STANDIN", json.dumps({"bit": str(bit), "timing": str(report)} | mode))

    behave()
    return behave


def run_and_collect(folder, lines=None):
    finn_builder._run(folder, (lambda line: None) if lines is None else lines.append)
    return collect(folder, BOARD, folder.parent / "result", {"finn": 1.0})


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


# -- running it ----------------------------------------------------------------------------------------


def test_progress_and_errors_are_finns():
    line = "[2026-11-23 18:00:00] Running step: step_synthesize_bitfile [9/11]"
    assert finn_builder.describe(line) == "step_synthesize_bitfile (9 of 11)"
    assert finn_builder.describe("anything") is None
    text = "a\n[2026-11-23 18:00:00] ERROR: x\n[2026-11-23 18:00:01] ERROR: x\nb\n"
    assert finn_builder.error_lines(text) == "  ERROR: x"
    assert finn_builder.error_lines("a\nb") == "  a\n  b"
    assert finn_builder.error_lines("\n".join(f"ERROR: {n}" for n in range(20))).endswith("... 8 more")


def test_a_failed_build_shows_finns_lines(folder, vivado):
    vivado(fail="step_synthesize_bitfile")
    with pytest.raises(ToolError) as caught:
        run_and_collect(folder)
    assert "over-utilized" in caught.value.message
    assert "Traceback" not in caught.value.message
    assert "build_dataflow.log" in caught.value.remedy


def test_a_build_becomes_a_bitstream(folder, vivado):
    result = run_and_collect(folder)
    assert BitstreamResult.load(folder.parent / "result") == result
    assert result.build_id == hashlib.sha256(result.bitstream.read_bytes()).hexdigest()[:32]
    assert (result.toolchain, result.clock_mhz, result.versions["vivado"]) == ("finn", 100.0, "2023.2")
    assert result.post_synthesis == {"LUT": 15321, "FF": 17002, "BRAM36": 14, "DSP48E1": 1}
    assert result.fmax_mhz > 100
    handoff = Handoff.load(folder)
    assert result.finn["idma_address"] == 0x40000000
    assert result.finn["odma_address"] == 0x40010000
    assert (result.finn["output_bits"], result.finn["output_pe"]) == (handoff.output_bits, handoff.output_pe)
    assert result.cycles_per_frame == handoff.estimates["max_cycles"]
    identity, ours, theirs = result.notes
    assert "SHA-256" in identity
    assert "not simulated" in ours
    assert theirs.startswith("FINN's estimates (estimated): ")
    assert f"{handoff.estimates['max_cycles']} cycles a frame" in theirs


def test_a_missed_clock_is_a_failure(folder, vivado):
    vivado(setup=-0.4)
    with pytest.raises(TimingError, match=r"100\.00 MHz wanted"):
        run_and_collect(folder)
    assert not (folder.parent / "result" / "bitstream.json").exists()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ({"drop": "deploy/bitfile/finn-accel.hwh"}, "left no finn-accel.hwh"),
        ({"drop": "report/post_route_timing.rpt"}, "left no post_route_timing.rpt"),
        ({"shapes": {"odt": ["DataType['INT32']"]}}, "FINN's driver has odt"),
        ({"shapes": {"oshape_packed": [[1, 1]]}}, "FINN's driver has oshape_packed"),
        ({"hwh": "<EDKSYSTEM/>"}, "idma0 0 addresses"),
        ({"hwh": "no"}, "no XML"),
    ],
)
def test_results_that_contradict_the_handoff_are_refused(folder, vivado, mode, words):
    vivado(**mode)
    with pytest.raises(ToolError, match=words):
        run_and_collect(folder)


def test_a_dma_with_two_addresses_is_refused():
    entry = '<MEMRANGE INSTANCE="{}" BASEVALUE="{}"/>'
    both = entry.format("idma0", "0x0") + entry.format("idma0", "0x10") + entry.format("odma0", "0x20")
    with pytest.raises(ToolError, match="idma0 2 addresses"):
        dma_addresses(f"<E>{both}</E>".encode())


def test_another_boards_folder_is_refused(folder):
    from finnspect.board import load_board

    with pytest.raises(ToolError, match="for pynq-z2, not pynq-z1"):
        collect(folder, load_board("pynq-z1"), folder / "x", {})


# -- the deploy zip ------------------------------------------------------------------------------------


def test_a_folder_that_was_run_elsewhere_becomes_a_deploy_zip(made, folder, vivado, capsys):
    from finnspect_driver.backends.finn_iodma import bitstream_of
    from finnspect_driver.deployzip import read_deploy as drivers_read

    finn_builder._run(folder, lambda line: None)
    path = folder.parent / "a.zip"
    package = made[0] / "package"
    assert finn_builder_deploy.main([str(folder), str(package), str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    info, contents = read_deploy(path)
    assert (info.shell, info.board, info.axi) == ("finn-iodma", "pynq-z2", None)
    assert info.finn.output_bits == Handoff.load(folder).output_bits
    assert not any(name.startswith("core/") for name in contents)
    assert {"golden.npz", "model/dataflow.json", "bitstream/pynq-z2.bit", "bitstream/pynq-z2.hwh"} <= set(
        contents
    )
    bits = bitstream_of(drivers_read(path))  # the driver takes it, and its identity
    assert (bits.base_address, bits.build_id, bits.fclk_mhz) == (0x40000000, info.build_id, 100.0)


def test_a_folder_that_was_not_run_is_an_error(made, folder, capsys):
    with pytest.raises(ToolError, match=r"left no finn-accel\.bit"):
        pack_folder(folder, made[0] / "package", folder / "a.zip")
    assert finn_builder_deploy.main([str(folder), str(made[0] / "package"), str(folder / "a.zip")]) == 1
    assert "error: FINN's build left no" in capsys.readouterr().err


def test_the_road_from_end_to_end(made, vivado, tmp_path):
    root, _ = made
    graph = DataflowGraph.load(root / "frontend")
    lines = []
    result = finn_builder.build_bitstream(
        root / "frontend",
        root / "frontend" / "finn_hw.onnx",
        choose_folding(graph, 3000),
        BOARD,
        80.0,
        tmp_path / "out",
        lines.append,
    )
    assert result.clock_mhz == 80.0
    assert {"finn-steps", "finn"} <= result.seconds.keys()
    assert any(line.startswith("FINN's estimates:") for line in lines)
    assert not (tmp_path / "out" / "finn" / "finn_tmp").exists()
    assert finn_builder.tool_versions(BOARD)["vivado"] == "2023.2"


def test_a_model_that_finn_cannot_express_is_refused_in_the_front_ends_words(tmp_path):
    (tmp_path / "frontend.json").write_text('{"finn_unavailable": "node \'add_3\' cannot be compiled: why"}')
    with pytest.raises(UnsupportedModelError, match=r"FINN's own builder cannot.*add_3.*why"):
        finn_builder.require_finn_model(tmp_path, tmp_path / "finn_hw.onnx")
