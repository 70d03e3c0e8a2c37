"""What the tools print, and what is made of it."""

from __future__ import annotations

import json

import pytest
from finnspect.board import load_board
from finnspect.errors import ResourceError, TimingError, ToolError
from finnspect.toolchains import ecp5_reports as reports

BOARD = load_board("ulx3s-85f")
CELLS = {
    "CCU2C": 1377,
    "DP16KD": 52,
    "EHXPLLL": 1,
    "L6MUX21": 77,
    "LUT4": 5142,
    "MULT18X18D": 2,
    "PFUMX": 969,
    "TRELLIS_DPR16X4": 63,
    "TRELLIS_FF": 5354,
}


def step(kind, delay, source, sink):
    ends = [dict(zip(("cell", "port"), end.rsplit(".", 1), strict=True)) for end in (source, sink)]
    return {"type": kind, "delay": delay, "from": ends[0] | {"loc": [1, 2]}, "to": ends[1] | {"loc": [3, 4]}}


def pnr_document(achieved=99.44, constraint=75.0):
    paths = [
        {"from": "<async>", "to": "posedge $glbnet$clk", "path": [step("routing", 4.4, "io.O", "ff.M")]},
        {
            "from": "posedge $glbnet$clk",
            "to": "posedge $glbnet$clk",
            "path": [
                step("clk-to-q", 5.61, "u_core.mem.0.0.DOA15", "u_core.mem.0.0.DOA15"),
                step("routing", 1.26, "u_core.mem.0.0.DOA15", "u_core.lut.D"),
                step("logic", 0.24, "u_core.lut.D", "u_core.lut.F"),
                step("routing", 0.13, "u_core.lut.F", "u_core.digit_q.DI"),
                step("setup", 0.0, "u_core.digit_q.DI", "u_core.digit_q.DI"),
            ],
        },
    ]
    used = {"TRELLIS_COMB": 9528, "TRELLIS_FF": 5354, "DP16KD": 52, "MULT18X18D": 2, "EHXPLLL": 1}
    return {
        "fmax": {"$glbnet$clk": {"achieved": achieved, "constraint": constraint}},
        "critical_paths": paths,
        "utilization": {name: {"used": count, "available": 83640} for name, count in used.items()},
    }


@pytest.fixture
def report(tmp_path):
    def make(**figures):
        path = tmp_path / "pnr.json"
        path.write_text(json.dumps(pnr_document(**figures)))
        return reports.read_pnr_report(path)

    return make


def test_post_synthesis_counts_lut_sites():
    assert reports.post_synthesis(CELLS) == {
        "LUT4": 5142 + 2 * 1377 + 6 * 63,
        "CCU2C": 1377,
        "FF": 5354,
        "DP16KD": 52,
        "MULT18X18D": 2,
    }
    assert reports.post_synthesis({})["LUT4"] == 0


def test_a_design_that_fits(report):
    reports.check_fit(reports.post_synthesis(CELLS), BOARD)
    reports.check_fit(report().resources, BOARD)


def test_what_does_not_fit_is_named_with_the_excess():
    used = reports.post_synthesis(CELLS | {"DP16KD": 250, "LUT4": 90_000})
    with pytest.raises(ResourceError) as caught:
        reports.check_fit(used, BOARD)
    text = str(caught.value)
    assert "LFE5U-85F-6BG381C" in text
    assert "DP16KD: 250 needed, 208 there, 42 too many (120 %)" in text
    assert f"LUT4: {used['LUT4']} needed, 83640 there, {used['LUT4'] - 83640} too many" in text
    assert "MULT18X18D" not in text


def test_a_met_clock(report):
    got = report()
    assert (got.clock, got.fmax_mhz, got.wanted_mhz) == ("$glbnet$clk", 99.44, 75.0)
    assert got.resources == {"LUT4": 9528, "FF": 5354, "DP16KD": 52, "MULT18X18D": 2}
    assert (got.path.source, got.path.sink) == ("u_core.mem.0.0.DOA15", "u_core.digit_q.DI")
    assert got.path.delay_ns == pytest.approx(7.24)
    assert got.path.routing_ns == pytest.approx(1.39)
    reports.check_timing(got)


def test_a_missed_clock_names_everything(report):
    with pytest.raises(TimingError) as caught:
        reports.check_timing(report(achieved=74.99))
    text = str(caught.value)
    for part in ("$glbnet$clk", "74.99 MHz", "75.00 MHz wanted", "u_core.mem.0.0.DOA15 -> u_core.digit_q.DI"):
        assert part in text
    assert "clock_mhz" in caught.value.remedy


def test_the_worst_of_several_clocks_counts(tmp_path):
    document = pnr_document()
    document["fmax"]["slow"] = {"achieved": 24.0, "constraint": 25.0}
    document["critical_paths"].append(
        {"from": "posedge slow", "to": "posedge slow", "path": [step("logic", 41.6, "a.Q", "b.DI")]}
    )
    path = tmp_path / "pnr.json"
    path.write_text(json.dumps(document))
    with pytest.raises(TimingError, match=r"clock slow reaches 24\.00 MHz"):
        reports.check_timing(reports.read_pnr_report(path))


@pytest.mark.parametrize("text", [None, "", "{}", '{"fmax": {}}', "not json"])
def test_a_report_that_is_none(tmp_path, text):
    path = tmp_path / "pnr.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ToolError, match="is not a report of nextpnr-ecp5"):
        reports.read_pnr_report(path)


NO_ROOM = """
Info: Device utilisation:
Info: 	              DP16KD:     250/    208   120%
Info: 	          MULT18X18D:       0/    156     0%
Info: 	        TRELLIS_COMB:   95471/  83640   114%
Info: Placed 14 cells based on constraints.
ERROR: Unable to place cell 'u_core.mem.0.0', no BELs remaining to implement cell type 'DP16KD'
"""


def test_no_room_while_placing():
    with pytest.raises(ResourceError) as caught:
        reports.check_placed(NO_ROOM, BOARD)
    assert "DP16KD: 250 needed, 208 there, 42 too many" in str(caught.value)
    assert "TRELLIS_COMB: 95471 needed" in str(caught.value)
    assert "MULT18X18D" not in str(caught.value)


def test_no_legal_placement_is_quoted():
    line = "ERROR: Unable to find legal placement for all cells, design is probably at utilisation limit."
    with pytest.raises(ResourceError, match="utilisation limit"):
        reports.check_placed(f"Info: x\n{line}\n", BOARD)


def test_another_failure_is_not_a_lack_of_room():
    reports.check_placed("ERROR: cell 'u_pll' has no such pin\n", BOARD)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "Info:     at iteration #7, type ALL: wirelen solved = 2259, spread = 5719, "
            "legal = 6509; time = 0.04s",
            "placing, iteration 7, wire length 6509",
        ),
        (
            "Info:   at iteration #15: temp = 0.000000, timing cost = 109, wirelen = 4444",
            "refining the placement, iteration 15, wire length 4444",
        ),
        (
            "Info:       3000 |      835       2164 |  182   818 |     35731|       0.63       2.80|",
            "routing, 35731 arcs to go",
        ),
        ("Info: Packing LUTs...", "reading and packing the design"),
        ("Info: Checksum: 0x895e0179", None),
    ],
)
def test_nextpnr_progress(line, words):
    assert reports.describe_nextpnr(line) == words


def test_yosys_progress():
    line = "2.41. Executing LATTICE_GSR pass (implement FF init values)."
    assert reports.describe_yosys(line) == "2.41 LATTICE_GSR pass (implement FF init values)"
    assert reports.describe_yosys("Found and cleaned up 1 empty switch") is None
