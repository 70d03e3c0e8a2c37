"""Folding: legality, the JSON form, and the search for a target."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from itertools import product

import pytest
from finnspect.analysis import ECP5, XC7, Resources, folding_bound, graph_resources
from finnspect.errors import ConfigError, ResourceError
from finnspect.folding import (
    Budget,
    Folding,
    allowed,
    cheapest_folding,
    check_folding,
    choose_folding,
    complete_folding,
    conversion_steps,
    fastest_folding,
    full_folding,
    read_folding,
)
from finnspect.ir import MatVec
from graphs import Conv, Pool, cnv_like, dense, make_graph, random_folding, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def graph():
    return make_graph((8, 8, 2), [Conv(12, pad=(1, 1, 1, 1)), Pool(), Conv(8), dense(6)])


def test_json_round_trip(graph, tmp_path):
    folding = random_folding(graph, 1)
    folding.save(tmp_path / "folding.json")
    loaded = Folding.load(tmp_path / "folding.json")
    assert loaded == folding
    assert loaded.digest == folding.digest
    document = json.loads((tmp_path / "folding.json").read_text())
    assert set(document["conv0_mvau"]) == {"PE", "SIMD"}
    assert set(document["pool1"]) == {"PE"}
    assert set(document["conv0_swg"]) == {"SIMD"}


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"a": 3}', '{"a": {"PE": 0}}', '{"a": {"PE": true}}', '{"a": {"pe": 1}}']
)
def test_bad_files_are_refused(tmp_path, text):
    path = tmp_path / "folding.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        Folding.load(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no readable folding"):
        Folding.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("layer", "attribute", "value", "allowed_text"),
    [
        ("conv0_mvau", "PE", 5, "allowed: 1, 2, 3, 4, 6, 12"),
        ("conv2_swg", "SIMD", 8, "allowed: 1, 2, 3, 4, 6, 12"),
        ("pool1", "PE", 24, "allowed: 1, 2, 3, 4, 6, 12"),
        ("pool1", "SIMD", 1, "it has: PE"),
        ("nothing", "PE", 1, "layers of tiny"),
    ],
)
def test_illegal_values_name_layer_and_choices(graph, layer, attribute, value, allowed_text):
    document = full_folding(graph).to_json()
    document.setdefault(layer, {})[attribute] = value
    with pytest.raises(ConfigError) as caught:
        check_folding(graph, Folding.of(document))
    assert repr(layer) in str(caught.value)
    assert allowed_text in str(caught.value)


def test_window_and_matvec_agree(graph):
    document = full_folding(graph).to_json()
    document["conv2_swg"]["SIMD"] = 3
    with pytest.raises(ConfigError, match="same value"):
        check_folding(graph, Folding.of(document))


def test_every_layer_is_needed(graph):
    document = full_folding(graph).to_json()
    del document["pool1"]
    with pytest.raises(ConfigError, match="'pool1': PE is not set"):
        check_folding(graph, Folding.of(document))


def luts(graph, folding):
    return sum(each.lut for each in graph_resources(graph, folding, dsp_budget=0).values())


@settings(derandomize=True, max_examples=40, deadline=None)
@given(seed=st.integers(0, 60), slack=st.floats(1, 40))
def test_chosen_foldings_are_legal_and_meet_the_target(seed, slack):
    graph = random_graph(seed)
    target = int(folding_bound(graph, full_folding(graph)).cycles * slack)
    folding = choose_folding(graph, target)
    check_folding(graph, folding)
    assert folding_bound(graph, folding).cycles <= target


@pytest.mark.parametrize("target", [324, 400, 648, 2000])
def test_chosen_foldings_are_the_cheapest_of_all(target):
    graph = make_graph((6, 6, 2), [Conv(4, pad=(1, 1, 1, 1)), dense(6)])
    attributes = [(layer.name, allowed(layer, graph)) for layer in graph if isinstance(layer, MatVec)]
    fitting = []
    for values in product(*(options[key] for _, options in attributes for key in ("PE", "SIMD"))):
        document = {}
        for (name, _), pe, simd in zip(attributes, values[::2], values[1::2], strict=True):
            document[name] = {"PE": pe, "SIMD": simd}
        folding = complete_folding(document, graph)
        if folding_bound(graph, folding).cycles <= target:
            fitting.append(luts(graph, folding))
    assert luts(graph, choose_folding(graph, target)) == min(fitting)


def test_impossible_target_says_what_limits_and_the_best():
    graph = cnv_like()
    with pytest.raises(ConfigError) as caught:
        choose_folding(graph, 1000)
    best = folding_bound(graph, full_folding(graph)).cycles
    assert re.search(rf"'conv\d_mvau' needs {best} ", str(caught.value))
    assert f"ask for {best} cycles or more" in str(caught.value)
    assert folding_bound(graph, choose_folding(graph, best)).cycles == best


def test_choice_is_repeatable():
    graph = cnv_like()
    assert choose_folding(graph, 50_000) == choose_folding(graph, 50_000)


@pytest.mark.parametrize(
    ("producer", "consumer", "steps"), [(4, 4, 0), (0, 3, 0), (2, 8, 1), (8, 2, 1), (2, 3, 2)]
)
def test_conversions(producer, consumer, steps):
    assert conversion_steps(producer, consumer) == steps


# -- under a budget ------------------------------------------------------------------------------------

ROOM = Resources(lut=12_000, ff=20_000, bram=150, dsp=60)


@pytest.mark.parametrize("tech", [ECP5, XC7], ids=lambda tech: tech.name)
def test_fastest_folding_fits_and_is_found_at_once(tech):
    graph, budget = cnv_like(), Budget("some-board", tech, ROOM)
    begun = time.process_time()
    found = fastest_folding(graph, budget)
    assert time.process_time() - begun < 10
    check_folding(graph, found.folding)
    assert found.cycles == folding_bound(graph, found.folding).cycles
    assert budget.short(found.total) is None
    assert found.total == sum(graph_resources(graph, found.folding, tech, ROOM.dsp).values(), Resources())
    # A little less time does not fit, half the room is slower.
    with pytest.raises((ResourceError, ConfigError)):
        cheapest_folding(graph, found.cycles * 9 // 10, budget)
    half = Resources(**{name: getattr(ROOM, name) // 2 for name in ("lut", "ff", "bram", "dsp")})
    assert fastest_folding(graph, Budget("small", tech, half)).cycles > found.cycles


def test_cheapest_folding_costs_less_when_it_may_take_longer():
    graph, budget = cnv_like(), Budget("some-board", XC7, ROOM)
    costs = [cheapest_folding(graph, target, budget).total.lut for target in (80_000, 160_000, 640_000)]
    assert costs == sorted(costs, reverse=True)


def test_what_does_not_fit_names_resource_and_layer():
    graph = cnv_like()
    with pytest.raises(
        ResourceError, match=r"tiny-board .* LUT, \d+ more than the 500 that the core may take; layer '"
    ):
        fastest_folding(graph, Budget("tiny-board", XC7, Resources(lut=500, ff=10**6, bram=500, dsp=0)))
    roomy = Budget("some-board", XC7, Resources(lut=10**6, ff=10**6, bram=500))
    least = cheapest_folding(graph, 36_864, roomy).total.lut
    small = Budget("small", XC7, Resources(lut=least * 3 // 4, ff=10**6, bram=500))
    with pytest.raises(ResourceError, match=r"(?s)36864 cycles a frame.*the best that fits: \d+ cycles"):
        cheapest_folding(graph, 36_864, small)
    assert cheapest_folding(graph, 10**6, small).total.lut < least * 3 // 4


# -- written by hand -----------------------------------------------------------------------------------


def test_a_finn_folding_is_taken(graph, tmp_path):
    nodes = {"conv0_mvau": "MVAU_0", "conv2_mvau": "MVAU_1", "conv3_mvau": "MVAU_2", "pool1": "Pool_0"}
    named = replace(graph, finn_nodes=nodes)
    path = tmp_path / "folding.json"
    document = {
        "Defaults": {},
        "FMPadding_rtl_0": {"SIMD": 1},
        "MVAU_rtl_0": {"PE": 4, "SIMD": 2, "resType": "dsp", "ram_style": "auto"},
        "Pool_hls_0": {"PE": 3},
        "MVAU_hls_1": {"PE": 2, "SIMD": 6, "mem_mode": "internal_decoupled"},
        "conv3_mvau": {"PE": 6, "SIMD": 8},
    }
    path.write_text(json.dumps(document))
    folding = complete_folding(read_folding(path), named)
    check_folding(named, folding)
    assert folding["conv0_mvau"].to_json() == {"PE": 4, "SIMD": 2}
    assert (folding["conv0_swg"].SIMD, folding["conv2_swg"].SIMD, folding["pool1"].PE) == (2, 6, 3)
    assert list(folding) == [layer.name for layer in named]
    with pytest.raises(ConfigError, match="names layer 'conv0_mvau' twice"):
        complete_folding({"MVAU_0": {"PE": 1}, "conv0_mvau": {"PE": 1}}, named)
    with pytest.raises(ConfigError, match="'MVAU_7', which the graph does not have"):
        check_folding(named, complete_folding({"MVAU_7": {"PE": 1}}, named))
