"""The hardware benchmark: figures, their kinds, and its complaints."""

from __future__ import annotations

import json

import pytest
from finnspect.bench_hardware import CASES, QUICK, Row, main, table, too_slow
from finnspect.bench_networks import NETWORKS


def row(cycles, bound=1000):
    return Row(
        "net",
        parallel_macs=50,
        bound_cycles=bound,
        bound_layer="conv",
        latency_bound_cycles=2000,
        estimated={"xc7": {"kind": "estimated", "lut": 2100, "ff": 1, "bram": 2, "dsp": 10}},
        finn={"kind": "estimated", "LUT": 4000.0, "DSP": 20.0},
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
        *("2,100 LUT", "4,000 LUT, 20 DSP", "1,000", "1,005", "2,100", "2,000", "345,678"),
    ]


def test_more_than_one_per_cent_above_the_bound_is_a_failure():
    assert too_slow(row(1010.0)) is None
    assert too_slow(row(1011.0)) == "net: 1011 cycles a frame, 1.1 % above the bound of 1000"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("bench"))


def test_the_command_measures_a_small_network(cache, tmp_path, capsys):
    out = tmp_path / "bench.json"
    options = ["--quick", "--technology", "--frames", "4", "--cache", cache, "--json", str(out)]
    assert main(options) == 0
    (found,) = json.loads(out.read_text())
    assert found["simulated"]["kind"] == "simulated"
    assert found["simulated"]["efficiency"] >= 0.99
    assert found["simulated"]["first_frame_cycles"] >= found["latency_bound_cycles"]
    assert found["finn"]["LUT"] > found["estimated"]["xc7"]["lut"]
    assert "| cnn5_w4a4-10000-37dsp |" in capsys.readouterr().out


def test_a_wrong_output_stops_it(cache, monkeypatch, capsys):
    from finnspect import reference

    right = reference.Reference.logits
    monkeypatch.setattr(reference.Reference, "logits", lambda self, images: right(self, images) + 1)
    assert main(["--quick", "--technology", "--frames", "4", "--cache", cache]) == 1
    assert "benchmark" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--network", "--technology"])
def test_unknown_names_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        main([option, "nothing"])
    assert "invalid choice" in capsys.readouterr().err
