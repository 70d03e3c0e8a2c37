"""Folding: legality, the JSON form, and the search for a target."""

from __future__ import annotations

import json
from itertools import product

import pytest
from finnspect.analysis import folding_bound, layer_cycles
from finnspect.errors import ConfigError
from finnspect.folding import (
    Folding,
    LayerFolding,
    allowed,
    check_folding,
    choose_folding,
    conversion_steps,
    full_folding,
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


def cheapest_by_trying(graph, layer, target):
    """Smallest PE x SIMD of one MatVec that meets the target, by trying all."""
    window = graph.producer(layer.input)
    options = allowed(layer, graph)
    products = []
    for pe, simd in product(options["PE"], options["SIMD"]):
        trial = {layer.name: LayerFolding(PE=pe, SIMD=simd), window.name: LayerFolding(SIMD=simd)}
        if max(layer_cycles(each, graph, trial) for each in (layer, window)) <= target:
            products.append(pe * simd)
    return min(products)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(seed=st.integers(0, 60), slack=st.floats(1, 40))
def test_chosen_foldings_are_legal_meet_the_target_and_are_cheapest(seed, slack):
    graph = random_graph(seed)
    target = int(folding_bound(graph, full_folding(graph)).cycles * slack)
    folding = choose_folding(graph, target)
    check_folding(graph, folding)
    assert folding_bound(graph, folding).cycles <= target
    for layer in graph:
        if isinstance(layer, MatVec):
            chosen = folding[layer.name]
            assert cheapest_by_trying(graph, layer, target) == chosen.PE * chosen.SIMD


def test_impossible_target_says_what_limits_and_the_best():
    graph = cnv_like()
    with pytest.raises(ConfigError) as caught:
        choose_folding(graph, 1000)
    assert "'conv0_swg' needs 36864" in str(caught.value)
    assert "ask for 36864 cycles or more" in str(caught.value)
    assert folding_bound(graph, choose_folding(graph, 36864)).cycles == 36864


def test_choice_is_repeatable():
    graph = cnv_like()
    assert choose_folding(graph, 50_000) == choose_folding(graph, 50_000)


@pytest.mark.parametrize(
    ("producer", "consumer", "steps"), [(4, 4, 0), (0, 3, 0), (2, 8, 1), (8, 2, 1), (2, 3, 2)]
)
def test_conversions(producer, consumer, steps):
    assert conversion_steps(producer, consumer) == steps
