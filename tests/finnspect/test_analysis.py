"""Cycle counts by hand-computed examples, and the resource check."""

from __future__ import annotations

import pytest
from finnspect.analysis import (
    ECP5,
    Resources,
    check_fit,
    folding_bound,
    graph_cycles,
    graph_resources,
    layer_resources,
    memory_style,
    multiplier_styles,
    weight_bank,
)
from finnspect.errors import ResourceError
from finnspect.folding import Folding, choose_folding
from graphs import Conv, Pool, cnv_like, dense, make_graph


@pytest.fixture(scope="module")
def graph():
    return make_graph((8, 8, 2), [Conv(4, pad=(1, 1, 1, 1)), Pool(), dense(6)])


def folded(conv_pe, conv_simd, pool_pe, dense_pe, dense_simd):
    return Folding.of(
        {
            "conv0_swg": {"SIMD": conv_simd},
            "conv0_mvau": {"PE": conv_pe, "SIMD": conv_simd},
            "pool1": {"PE": pool_pe},
            "conv2_swg": {"SIMD": dense_simd},
            "conv2_mvau": {"PE": dense_pe, "SIMD": dense_simd},
        }
    )


def test_cycles_of_every_layer(graph):
    assert graph_cycles(graph, folded(2, 1, 4, 3, 2)) == {
        "conv0_swg": 8 * 8 * 18 * 2,  # 64 pixels x SF 18 x NF 2 beats out, 128 beats in
        "conv0_mvau": 8 * 8 * 18 * 2,
        "pool1": 8 * 8 * 1,
        "conv2_swg": 64 // 2 * 2,  # one window of 4*4*4, NF 2
        "conv2_mvau": 32 * 2,
    }


def test_a_window_can_be_bound_by_its_input():
    graph = make_graph((8, 8, 2), [Conv(2, kernel=(1, 1), stride=(4, 4)), dense(2)])
    folding = Folding.of(
        {
            "conv0_swg": {"SIMD": 1},
            "conv0_mvau": {"PE": 2, "SIMD": 1},
            "conv1_swg": {"SIMD": 2},
            "conv1_mvau": {"PE": 2, "SIMD": 2},
        }
    )
    cycles = graph_cycles(graph, folding)
    assert (cycles["conv0_swg"], cycles["conv0_mvau"]) == (128, 2 * 2 * 2)
    assert folding_bound(graph, folding).layer == "conv0_swg"


def test_bound_is_the_slowest_layer(graph):
    assert folding_bound(graph, folded(4, 2, 1, 1, 1)).cycles == 8 * 8 * 9
    bound = folding_bound(graph, folded(4, 2, 4, 1, 1))
    assert (bound.layer, bound.cycles) == ("conv0_swg", 576)


def test_logits_can_be_the_bound():
    graph = make_graph((2, 2, 1), [dense(50)])
    folding = Folding.of({"conv0_swg": {"SIMD": 1}, "conv0_mvau": {"PE": 50, "SIMD": 1}})
    bound = folding_bound(graph, folding)
    assert (bound.layer, bound.cycles) == (graph.output, 50)


def test_more_parallel_costs_more(graph):
    slow = sum(graph_resources(graph, folded(1, 1, 1, 1, 1), dsp_budget=0).values(), Resources())
    fast = sum(graph_resources(graph, folded(4, 2, 4, 6, 4), dsp_budget=0).values(), Resources())
    assert fast.lut > 2 * slow.lut
    assert fast.ff > slow.ff


@pytest.mark.parametrize(
    ("depth", "width", "blocks"),
    [(512, 36, 1), (512, 37, 2), (1024, 18, 1), (16384, 1, 1), (16385, 1, 2), (2049, 9, 2)],
)
def test_blocks_of_ecp5(depth, width, blocks):
    assert ECP5.blocks(depth, width) == blocks


def test_small_memories_stay_out_of_block_ram():
    assert memory_style(16, 400) == "distributed"
    assert memory_style(48, 8) == "distributed"
    assert memory_style(512, 32) == "block"


def test_hard_multipliers_stay_in_their_budget():
    graph = cnv_like()
    folding = choose_folding(graph, 40_000)
    used = []
    for budget in (0, 20, 60, 128):
        styles = multiplier_styles(graph, folding, budget)
        resources = [layer_resources(x, graph, folding, styles=styles) for x in graph]
        used.append(sum(each.dsp for each in resources))
        assert used[-1] <= budget
    assert used == sorted(used)
    assert "dsp" in styles.values()
    soft, hard = (
        layer_resources(graph.layer("conv2_mvau"), graph, folding, styles={"conv2_mvau": style})
        for style in ("lut", "dsp")
    )
    assert hard.lut < soft.lut
    assert soft.dsp == 0
    assert hard.dsp == 64  # 8 x 16 products of 4 x 4 bits, two in one multiplier


def test_fit_says_how_much_is_missing(graph):
    folding = folded(4, 2, 4, 6, 4)
    total = check_fit(graph, folding, {"lut": 10**6, "ff": 10**6, "bram": 1000, "dsp": 1000}, "a board")
    with pytest.raises(ResourceError) as caught:
        check_fit(graph, folding, {"lut": total.lut - 7, "ff": 10**6}, "tiny-board")
    text = str(caught.value)
    assert f"{total.lut} LUT, 7 more than the {total.lut - 7}" in text
    assert "tiny-board" in text
    assert "estimated" in text
    largest = max(graph_resources(graph, folding).items(), key=lambda item: item[1].lut)[0]
    assert repr(largest) in text


@pytest.mark.parametrize(
    ("depth", "width", "bank"),
    [
        (16, 64, 0),  # in LUTs
        (1024, 18, 0),
        (1792, 4, 0),  # one block of 4,096 x 4
        (16384, 1, 0),
        (288, 256, 0),
        (4608, 32, 512),  # 9 x 1 blocks; 5 x 2 of 1,024 x 18
        (1152, 128, 512),  # 3 x 4 blocks
        (36864, 1, 16384),
    ],
)
def test_deep_weights_are_in_banks(depth, width, bank):
    assert weight_bank(depth, width) == bank
    if bank:
        blocks = {-(-depth // bank) * -(-width // w) for d, w in ECP5.block_shapes if d == bank}
        assert blocks == {ECP5.blocks(depth, width)}
