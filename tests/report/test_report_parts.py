"""What the page is made of: layout of the network, fronts, cells by instance, floor plan, comparison."""

import itertools
import json
import re

import pytest
import sample_report as sample
from finnspect.board import load_board
from finnspect.cli import run
from finnspect.errors import ToolError
from finnspect.report import charts
from finnspect.report.graph import graph_svg, layout, nodes_of
from finnspect.report.instances import cells_by_layer, owner
from finnspect.report.make import _resources
from finnspect.report.model import Edge, Report
from finnspect.report.pictures import products
from finnspect.toolchains.floorplan import save_floorplan
from finnspect.toolchains.result import BitstreamResult
from matplotlib.figure import Figure


def _edges(*pairs):
    return [Edge(source=a, target=b, shape=(4, 4, 2), type="UINT4") for a, b in pairs]


def test_every_reader_is_below_what_it_reads_and_no_two_boxes_meet():
    pairs = ["ia", "ab", "ac", "cd", "de", "be", "ae", "eo", "bf", "fo"]
    names = "iabcdfeo"
    placed = layout(names, _edges(*pairs))
    for a, b in pairs:
        assert placed.place[a][1] < placed.place[b][1]
    for row in placed.rows:
        for one, other in itertools.pairwise(row):
            half = sum(208 if name in names else 16 for name in (one, other)) / 2
            assert placed.place[other][0] - placed.place[one][0] >= half
    inside = [x for x, _ in placed.place.values()]
    assert min(inside) > 0 and max(inside) < placed.width
    # A way past other boxes bends around them: it has a place of its own in each row.
    long = next(path for edge, path in placed.paths if (edge.source, edge.target) == ("a", "e"))
    assert len(long) == 4


def test_a_window_and_its_reader_share_a_box_and_a_fork_stays_a_fork():
    report = Report.model_validate(sample.document())
    nodes = nodes_of(report.layers, sample.SLOWEST, 9216)
    assert [node.name for node in nodes] == ["stem", "left", "right", "join", "mean", "dense"]
    assert [node.mark for node in nodes] == ["slowest", "slowest", "", "", "", ""]
    assert nodes[0].lines == ("stem", "convolution  INT4, UINT4", "PE 4  SIMD 8")
    svg = graph_svg(nodes, report.detail.edges, "a <title>")
    assert svg.count('class="stream"') == 8  # input, fork of two, two ways in, two below, output
    assert "stem to left and right" in svg
    assert "a &lt;title&gt;" in svg


def test_the_front_holds_what_nothing_beats():
    points = [(1, 1), (2, 3), (2, 2), (3, 3), (4, 5)]
    assert charts.front(points) == [0, 1, 4]
    assert charts.front([(1, 1), (1, 1)]) == [0, 1]  # equals do not beat each other


def test_labels_cover_neither_points_nor_each_other_and_no_axis_goes_beyond_its_bounds():
    points = [("1: 99.6 %", 11445, 99.6), ("2: 99.6 %", 11471, 99.6), ("3", 12332, 100.0), ("4", 26550, 92.0)]
    svg = charts.scatter("s", points, "t", ("LUT", "accuracy, %"), (0.0, 100.0))
    assert ">100<" in svg and not re.search(r">10[1-9](\.\d+)?<", svg)
    figure = Figure()
    axes = figure.add_subplot(xlim=(10000, 30000), ylim=(90, 100))
    charts._labels(axes, points)
    wide = {label: 0.02 * len(label) + 0.01 for label, *_ in points}
    boxes = [(text.xyann[0], text.xyann[0] + wide[text.get_text()], text.xyann[1]) for text in axes.texts]
    marks = [((x - 10000) / 20000, (x - 10000) / 20000, (y - 90) / 10) for _, x, y in points]
    for (a, b, up), (c, d, other) in itertools.combinations(boxes + marks, 2):
        if (a, c) not in itertools.product([mark[0] for mark in marks], repeat=2):
            assert b <= c or d <= a or abs(up - other) >= 0.05


def test_roofs_are_what_units_and_streams_allow():
    report = Report.model_validate(sample.document())
    layers = {layer.name: layer for layer in report.layers}
    frame = report.performance.cycles_per_frame.value
    rows = {name: values for name, *values in products(report)}
    assert list(rows) == ["stem", "left", "right", "dense"]
    made, units, fed = rows["right"]  # 16 x 16 pixels of 8 channels, to 8 channels, PE 4, SIMD 8
    assert (made, units, fed) == (16 * 16 * 8 * 8 / frame, 32, 8 * 8)
    # Behind a window that takes 8 channels a beat: what feeds it is the map, not the window's output.
    assert layers["left_window"].simd == 8 and rows["left"][2] == 8 * 8
    depthwise = report.layers[1].model_copy(update={"kind": "depthwise", "simd": None})
    other = report.model_copy(update={"layers": [depthwise]})
    assert products(other) == [("stem", 16 * 16 * 8 / frame, 4, 4)]


def test_long_names_are_shortened_in_the_middle():
    assert charts.shorten("conv1_window") == "conv1_window"
    short = charts.shorten("layer1_0_residual_left_conv2d_window")
    assert len(short) == 20 and short.startswith("layer1_0") and short.endswith("d_window")
    many = [f"surface defect number {index} of the mill" for index in range(12)]
    svg = charts.matrix("m", [[9 * (x == y) for x in range(12)] for y in range(12)], many, "t")
    assert len(set(re.findall(r">(\d+ surfac…[^<]*)<", svg))) == 12


def test_charts_are_the_same_every_time():
    one, other = (charts.shares("x", [("LUT", 0.5, "a < b")], "title") for _ in range(2))
    assert one == other
    assert "LUT: 50.0 %, a &lt; b" in one


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("u_core.u_conv0.acc_q_TRELLIS_FF_Q", "conv0"),
        ("u_core.u_conv0_fifo.mem", "other"),
        ("u_core.state_q", "other"),
        ("u_shell.u_rx.bit", "shell"),
        ("$abc$1$lut", "shell"),
    ],
)
def test_cells_belong_to_the_instance_in_their_name(cell, expected):
    assert owner(cell, {"u_conv0": "conv0"}) == expected


def test_a_netlist_is_counted_by_layer(tmp_path):
    cells = {
        "u_core.u_conv0.a": {"type": "LUT4"},
        "u_core.u_conv0.b": {"type": "CCU2C"},
        "u_shell.c": {"type": "TRELLIS_FF"},
    }
    netlist = tmp_path / "synth.json"
    netlist.write_text(json.dumps({"modules": {"top": {"attributes": {"top": "1"}, "cells": cells}}}))
    found = cells_by_layer(netlist, {"u_conv0": "conv0"}, "ecp5")
    assert {layer: {n: f.value for n, f in own.items() if f.value} for layer, own in found.items()} == {
        "conv0": {"LUT4": 3, "CCU2C": 1},
        "shell": {"FF": 1},
    }
    cells["u_core.u_conv0.d"] = {"type": "RAMB36E1"}
    netlist.write_text(json.dumps({"modules": {"top": {"attributes": {"top": "1"}, "cells": cells}}}))
    assert cells_by_layer(netlist, {"u_conv0": "conv0"}, "xc7")["conv0"]["BRAM18"].value == 2
    assert cells_by_layer(tmp_path / "none.json", {}, "ecp5") == {}


def test_the_floor_plan_is_a_small_file_of_tiles(tmp_path):
    cells = {
        "u_core.u_conv0.g.a": {"attributes": {"NEXTPNR_BEL": "X3/Y5/SLICEA.LUT0"}},
        "u_core.u_conv0.g.b": {"attributes": {"NEXTPNR_BEL": "X3/Y5/SLICEA.LUT1"}},
        "clk_pad": {"attributes": {"NEXTPNR_BEL": "X0/Y1/PIOA"}},
        "gone": {"attributes": {}},
    }
    netlist = tmp_path / "placed.json"
    netlist.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    saved = json.loads(save_floorplan(netlist, tmp_path).read_text())
    assert saved["tiles"] == {"": [[0, 1, 1]], "u_core.u_conv0": [[3, 5, 2]]}
    assert not netlist.exists()
    with pytest.raises(ToolError, match="no netlist of nextpnr"):
        save_floorplan(netlist, tmp_path)


def test_compare_marks_what_nothing_beats(tmp_path, capsys):
    files = []
    for name, accuracy, fps, lut in (
        ("a", 0.99, 900.0, 2500),
        ("b", 0.98, 800.0, 3600),
        ("c", 0.9, 2e3, 5e3),
    ):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(sample.document(name, accuracy=accuracy, fps=fps, lut=int(lut))))
    paths = [str(file) for file in files]
    assert run(["compare", *paths, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["format_version"]) == ("finnspect-comparison", 1)
    assert found["front"] == ["a ulx3s-85f", "c ulx3s-85f"]
    assert [build["cells"]["LUT"]["kind"] for build in found["builds"]] == ["post-route"] * 3
    assert run(["compare", *paths, "--html", str(tmp_path / "c.html")]) == 0
    said = capsys.readouterr().out
    assert "a ulx3s-85f *" in said and "b ulx3s-85f *" not in said
    assert (tmp_path / "c.html").read_text().startswith("<!DOCTYPE html>")
    assert run(["compare", paths[0]]) != 0
    assert "one build cannot be compared" in capsys.readouterr().err
    assert run(["compare", paths[0], paths[0]]) != 0
    assert "named twice" in capsys.readouterr().err


def test_estimated_halves_of_block_ram_are_told_as_blocks():
    board = load_board("pynq-z2")
    bits = BitstreamResult("none", None, 100.0, None, "0" * 32, {}, {}, {})
    found = _resources(board, bits, {"lut": 100, "ff": 90, "bram": 125, "dsp": 4})
    assert [(each.name, each.used.value, each.available) for each in found] == [
        *(("LUT", 100, 53200), ("FF", 90, 106400), ("BRAM36", 63, 140), ("DSP48E1", 4, 220))
    ]
    assert {each.used.kind for each in found} == {"estimated"}
