"""The hardware benchmark: figures, their kinds, its goals, and its complaints."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from finnspect import bench_goals, bench_hardware, bench_macs
from finnspect.bench_hardware import CASES, FOUR_FIFTHS, QUICK, XC7Z020, Row, goals_of, main, table
from finnspect.bench_networks import NETWORKS
from finnspect.bench_pace import Pace, default_networks
from finnspect.bench_speed import measure_speed
from finnspect.board import load_board
from finnspect.emit import emit_accelerator
from finnspect.folding import complete_folding
from graphs import Conv, dense, make_graph

from quant_models.models import available_models


def row(cycles, bound=1000):
    return Row(
        "net",
        parallel_macs=50,
        bound_cycles=bound,
        bound_layer="conv",
        latency_bound_cycles=2000,
        estimated={"xc7": {"kind": "estimated", "lut": 2100, "ff": 1, "bram": 2, "dsp": 10}},
        finn={"kind": "estimated", "LUT": 4000.0, "BRAM_18K": 5.0, "DSP": 20.0},
        synthesised={"xc7": {"kind": "post-synthesis", "lut": 2000, "ff": 3000, "bram": 4, "dsp": 10}},
        simulated={
            "kind": "simulated",
            "cycles_per_frame": cycles,
            "first_frame_cycles": 2100,
            "cycles_per_second": 345_678,
        },
        hard_macs={"xc7": 40},
    )


def test_cases_are_known_networks():
    assert {case.network for case in (*CASES, *QUICK)} <= set(NETWORKS)


def test_a_row_of_the_table():
    assert row(1005.0).to_json()["synthesised"]["xc7"]["macs_a_dsp"] == 4
    cells = [cell.strip() for cell in table([row(1005.0)]).splitlines()[2].split("|")[1:-1]]
    assert cells == [
        *("net", "xc7", "50", "2,000", "3,000", "4", "10", "40.0", "4.0"),
        *("2,100 LUT, 2 BRAM18, 10 DSP", "4,000 LUT, 5 BRAM18, 20 DSP"),
        *("1,000", "1,005", "2,100", "2,000", "345,678"),
    ]


def missed(case, figures):
    return [str(goal) for goal in goals_of(case, figures) if not goal.met]


def test_goals_name_what_is_missed():
    case = bench_hardware.Case("net", 1_005, 10, (("lut", 2_000), ("dsp", 10), ("lut_a_mac", 44)))
    assert missed(case, row(1005.0)) == []
    assert missed(replace(case, target_cycles=1_000), row(1005.0)) == [
        "net-1000-10dsp: cycles a frame: 1,005, at most 1,000 wanted"
    ]
    small = replace(case, target_cycles=2_000, at_most=(("lut", 1_999), ("lut_a_mac", 39.5)))
    assert missed(small, row(1005.0)) == [
        "net-2000-10dsp, xc7: LUT: 2,000, at most 1,999 wanted",
        "net-2000-10dsp, xc7: LUT a MAC: 40, at most 39.5 wanted",
    ]
    off = row(1005.0)
    off.estimated["xc7"]["lut"] = 2_320
    assert missed(case, off) == ["net-1005-10dsp, xc7: % error of the LUTs estimated: 16, at most 15 wanted"]
    (over,) = missed(replace(small, at_most=()), row(1011.0))
    assert over == "net-2000-10dsp: % over the folding bound: 1.1, at most 1 wanted"


def test_goals_of_units_paces_and_speed():
    units = {"ecp5": (bench_macs.Unit(4, 4, "dsp", 8, 16, lut_a_mac=12, macs_a_dsp=2),)}
    made = {"technology": "ecp5", "unit": "W4A4 dsp 8x16", "lut_a_mac": 12.5, "macs_a_dsp": 2.0}
    assert [goal.met for goal in bench_goals.of_units(units, [made])] == [False, True]
    paces = [Pace(name, 1_000, "conv", cycles, 1, 1, 0) for name, cycles in (("a", 1000.0), ("b", 1011.0))]
    (slowest,) = bench_goals.of_paces(paces)
    assert (slowest.figure, slowest.met) == (1.1, False)
    assert "(b)" in slowest.what
    speed = {"network": "n", "cycles_per_cpu_second": 250_000}
    one, two = (speed | {"cores": n, "cycles_per_second": 240_000 * n} for n in (1, 2))
    assert [goal.met for goal in bench_goals.of_speed([one, two])] == [False, True]
    assert "| **missed** |" in bench_goals.table([slowest])


def test_the_device_is_the_boards():
    board = load_board("pynq-z2").resources
    found = {"lut": board["LUT"], "ff": board["FF"], "bram": 2 * board["BRAM36"], "dsp": board["DSP48E1"]}
    assert found == XC7Z020
    assert dict(FOUR_FIFTHS)["dsp"] == 176
    assert load_board("ulx3s-85f").resources["MULT18X18D"] == bench_hardware.MULTIPLIERS["ecp5"]


def test_every_model_and_bench_network_has_its_pace_taken():
    assert {*available_models(), *(f"bench:{name}" for name in NETWORKS)} == set(default_networks())


def test_speed_is_of_the_cores_it_was_kept_to(tmp_path, monkeypatch):
    graph = make_graph((6, 6, 1), [Conv(2), dense(3)])
    folding = complete_folding(
        {"conv0_mvau": {"PE": 1, "SIMD": 1}, "conv1_mvau": {"PE": 1, "SIMD": 1}}, graph
    )
    core = emit_accelerator(graph, folding, tmp_path / "core")
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    said = []
    (found,) = measure_speed(tmp_path, said.append, [(1, 1), (2, 1)], 1, core)
    assert (found["kind"], found["cores"]) == ("measured", 1)
    assert found["cycles_per_second"] > 0
    assert found["cycles_per_cpu_second"] > 0
    assert said[-1] == "simulation speed: 2 threads left out, the machine is busy"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("bench"))


#: One network, simulated only.
SMALL = ["--network", "cnn5_w4a4", "--technology", "--frames", "4"]


def test_the_command_measures_a_small_network(cache, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench_hardware, "CASES", CASES[:1])
    monkeypatch.chdir(Path(cache).parent)  # a relative path, as make gives
    out = tmp_path / "bench.json"
    assert main([*SMALL, "--cache", Path(cache).name, "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    (found,) = document["networks"]
    assert all(goal["met"] for goal in document["goals"])
    assert found["simulated"]["kind"] == "simulated"
    assert found["simulated"]["efficiency"] >= 0.99
    assert found["simulated"]["first_frame_cycles"] >= found["latency_bound_cycles"]
    assert found["finn"]["LUT"] > found["estimated"]["xc7"]["lut"]
    assert "| cnn5_w4a4-10000-37dsp |" in capsys.readouterr().out


def test_a_wrong_output_stops_it(cache, monkeypatch, capsys):
    from finnspect import reference

    right = reference.Reference.logits
    monkeypatch.setattr(bench_hardware, "CASES", CASES[:1])
    monkeypatch.setattr(reference.Reference, "logits", lambda self, images: right(self, images) + 1)
    assert main([*SMALL, "--cache", cache]) == 1
    assert "benchmark" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--network", "--technology"])
def test_unknown_names_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        main([option, "nothing"])
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [(["--frames", "3"], "no steady pace"), (["--frames", "-1"], "no steady pace")],
)
def test_too_few_frames_are_refused(options, complaint, capsys):
    with pytest.raises(SystemExit):
        main(options)
    assert complaint in capsys.readouterr().err


@pytest.mark.slow
def test_a_quick_run_has_every_table_and_goes_on_where_it_was(cache, tmp_path):
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "finnspect.bench_hardware", "--quick", "--technology", "xc7"]
    command += ["--frames", "4", "--cache", cache, "--json", str(out)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr
        for head in ("| case |", "| fs_mvau, PE x SIMD |", "| network |", "| simulation of |", "| goal |"):
            assert head in done.stdout
        document = json.loads(out.read_text())
        assert all(goal["met"] for goal in document["goals"])
        assert document["networks"][0]["synthesised"]["xc7"]["lut"] <= 3_300
        assert document["units"]
        assert document["paces"]
        assert document["speed"]
