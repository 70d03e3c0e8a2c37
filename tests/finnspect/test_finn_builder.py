"""The toolchain ``finn``: running the folder of a build with a stand-in, and the deploy zip."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from finn_nets import BOARD, build_without_vivado, install_finn
from finnspect.deploy import read_deploy
from finnspect.errors import TimingError, ToolError, UnsupportedModelError
from finnspect.folding import choose_folding
from finnspect.ir import DataflowGraph
from finnspect.toolchains import finn_builder, finn_builder_deploy
from finnspect.toolchains.finn_builder_deploy import collect, dma_addresses, pack_folder
from finnspect.toolchains.finn_builder_folder import Handoff
from finnspect.toolchains.result import BitstreamResult


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


def run_and_collect(folder, lines=None):
    finn_builder._run(folder, (lambda line: None) if lines is None else lines.append)
    return collect(folder, BOARD, folder.parent / "result", {"finn": 1.0})


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
    folding, model = choose_folding(graph, 3000), root / "frontend" / "finn_hw.onnx"
    finn_builder.prepare(root / "frontend", model, folding, BOARD, 80.0, tmp_path / "finn", lines.append)
    before = sorted(path.name for path in (tmp_path / "finn").rglob("*"))
    result = finn_builder.build_bitstream(tmp_path / "finn", BOARD, tmp_path / "out", lines.append)
    assert result.clock_mhz == 80.0
    assert result.seconds.keys() == {"finn"}
    assert any(line.startswith("FINN's estimates:") for line in lines)
    assert not (tmp_path / "out" / "finn" / "finn_tmp").exists()
    assert sorted(path.name for path in (tmp_path / "finn").rglob("*")) == before, "it stays as it was"
    assert finn_builder.tool_versions(BOARD)["vivado"] == "2023.2"


def test_a_model_that_finn_cannot_express_is_refused_in_the_front_ends_words(tmp_path):
    (tmp_path / "frontend.json").write_text('{"finn_unavailable": "node \'add_3\' cannot be compiled: why"}')
    with pytest.raises(UnsupportedModelError, match=r"FINN's own builder cannot.*add_3.*why"):
        finn_builder.require_finn_model(tmp_path, tmp_path / "finn_hw.onnx")
