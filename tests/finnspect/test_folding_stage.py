"""Where a build's folding comes from, what a board lets it be, and what is said when it cannot be."""

from __future__ import annotations

import pytest
from finnspect.analysis import SHELL, Resources, folding_bound
from finnspect.board import load_board
from finnspect.config import BuildConfig
from finnspect.errors import ConfigError, ResourceError
from finnspect.folding import choose_folding
from finnspect.folding_stage import fold
from finnspect.targets import core_budget, device, link_fps, target_cycles
from graphs import cnv_like


@pytest.fixture(scope="module")
def graph():
    return cnv_like()


def test_without_a_word_it_is_the_fastest_that_fits(graph):
    board, said = load_board("pynq-z2"), []
    folding, estimate = fold(graph, board, BuildConfig(), said.append)
    assert estimate["origin"] == "fastest within the budget of pynq-z2"
    assert "fastest within" in said[0]
    assert estimate["bound"]["cycles"] == folding_bound(graph, folding).cycles < 36_864
    core, budget = estimate["core"], core_budget(board, graph)
    assert budget.short(Resources(**{k: core[k] for k in ("lut", "ff", "bram", "dsp")})) is None
    assert estimate["resources"][SHELL]["lut"] > 0
    assert estimate["total"]["lut"] == core["lut"] + estimate["resources"][SHELL]["lut"]


def test_the_budget_is_the_boards_shares_less_the_shell(graph):
    board = load_board("ulx3s-85f")
    budget = core_budget(board, graph)
    there = device(board)
    assert (there["lut"], there["bram"], there["dsp"]) == (83_640, 208, 156)
    assert 0 < budget.limits.lut < board.budget.lut * there["lut"]
    assert budget.limits.dsp == board.dsp_budget
    # 64 x 64 bytes twice: 8,192 bytes of buffer in four blocks.
    assert budget.limits.bram == int(0.9 * 208) - 4


def test_a_frame_rate_is_reached_cheaply(graph):
    board = load_board("pynq-z2")
    luts = []
    for fps in (100, 800):
        _, estimate = fold(graph, board, BuildConfig(target_fps=fps))
        assert 100e6 / estimate["bound"]["cycles"] >= fps
        luts.append(estimate["core"]["lut"])
    assert luts[0] < luts[1]
    faster = fold(graph, board, BuildConfig(target_fps=100, clock_mhz=50))[1]["bound"]["cycles"]
    assert faster <= 50e6 / 100


def test_a_frame_rate_that_the_link_does_not_carry_is_refused(graph):
    board = load_board("ulx3s-85f")
    assert link_fps(board, graph, None) == pytest.approx(73.0, abs=0.1)
    with pytest.raises(ConfigError, match=r"serial line of ulx3s-85f carries at most 73\.0 of 4096 bytes"):
        target_cycles(board, graph, 74, None)
    assert target_cycles(board, graph, 73, None) == int(75e6 * 0.98 / 73)
    with pytest.raises(ConfigError, match="memory port of pynq-z2"):
        target_cycles(load_board("pynq-z2"), graph, 10**6, None)


def test_a_frame_rate_that_the_board_does_not_reach_says_what_does(graph):
    board = load_board("pynq-z2")
    soft = board.model_copy(update={"dsp_budget": 0})
    least = fold(graph, soft, BuildConfig(target_fps=2500))[1]["total"]["lut"]
    small = soft.model_copy(update={"resources": {**board.resources, "LUT": least * 9 // 10}})
    with pytest.raises(ResourceError) as caught:
        fold(graph, small, BuildConfig(target_fps=2500))
    text = str(caught.value)
    assert "2,500 frames a second on pynq-z2" in text
    assert "more than the" in text
    assert "takes most" in text
    best = float(text.rpartition("at most ")[2].split()[0].replace(",", ""))
    _, estimate = fold(graph, small, BuildConfig(target_fps=best))  # what is said can be had
    assert estimate["total"]["lut"] < least
    with pytest.raises(ResourceError):
        fold(graph, small, BuildConfig(target_fps=best * 1.01))
    with pytest.raises(ConfigError, match="even at its largest PE and SIMD"):
        fold(graph, board, BuildConfig(target_fps=190_000))


def test_a_folding_by_hand_is_honoured_and_checked(graph):
    board = load_board("pynq-z2")
    document = choose_folding(graph, 100_000).to_json()
    folding, estimate = fold(graph, board, BuildConfig(folding=document))
    assert folding.to_json() == document
    assert estimate["origin"] == "as given"
    document["conv2_mvau"]["PE"] = 5
    with pytest.raises(ConfigError, match=r"'conv2_mvau': PE is 5\n.*allowed: 1, 2, 4"):
        fold(graph, board, BuildConfig(folding=document))
    assert BuildConfig(target_cycles=5).with_goal(target_fps=3.0).target_cycles is None


def test_a_configured_target_wins_over_the_search(graph):
    _, estimate = fold(graph, load_board("ulx3s-85f"), BuildConfig(target_cycles=73_728))
    assert estimate["origin"] == "cheapest for 73728 cycles a frame"
    assert estimate["bound"]["cycles"] == 73_728
