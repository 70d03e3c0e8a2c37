"""Rows that fill hard multipliers there, the others in LUTs: what is chosen, counted and emitted."""

from __future__ import annotations

import pytest
from finnspect.analysis import XC7, graph_resources, multiplier_styles
from finnspect.bench_hardware import hard_macs
from finnspect.bench_networks import network
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.folding import complete_folding
from finnspect.ir import MatVec, MaxPool


@pytest.fixture(scope="module")
def graph():
    return network("cnn5_w4a4")


@pytest.fixture(scope="module")
def folding(graph):
    """Two layers of four rows, where three fill a multiplier of 25 x 18 bits; the others have one."""
    wide = {"PE": 4, "SIMD": 8}
    one = {each.name: {"PE": 1, "SIMD": 1} for each in graph if isinstance(each, MatVec)}
    one |= {each.name: {"PE": 1} for each in graph if isinstance(each, MaxPool)}
    return complete_folding(one | {"conv1": wide, "conv2": wide}, graph)


@pytest.mark.parametrize(
    ("budget", "wide"), [(8, ["lut", "mixed"]), (16, ["mixed", "mixed"]), (1000, ["dsp", "dsp"])]
)
def test_a_short_budget_is_spent_on_full_multipliers(graph, folding, budget, wide):
    styles = multiplier_styles(graph, folding, budget, XC7)
    assert sorted([styles["conv1"], styles["conv2"]]) == wide
    parts = graph_resources(graph, folding, XC7, styles=styles)
    used = parts["conv1"].dsp + parts["conv2"].dsp
    macs = sum(hard_macs(graph, graph.layer(name), folding, XC7, styles[name]) for name in ("conv1", "conv2"))
    assert (used, macs) == ((8, 24), (16, 48), (32, 64))[(8, 16, 1000).index(budget)]
    assert sum(each.dsp for each in parts.values()) <= budget


def test_emission_puts_the_other_rows_into_luts(graph, folding, tmp_path):
    options = EmitOptions(dsp_budget=0, mul_styles={"conv2": "mixed"}, technology="xc7")
    core = emit_accelerator(graph, folding, tmp_path / "core", options)
    made = {each["layer"]: each["params"] for each in core.manifest["instances"]}
    multipliers = {name: (p["MUL_STYLE"], p["SOFT_ROWS"]) for name, p in made.items() if "MUL_STYLE" in p}
    assert multipliers.pop("conv2") == ("dsp", 1)
    assert set(multipliers.values()) == {("lut", 0)}
