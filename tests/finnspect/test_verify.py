"""RTL against the reference: equal on sound hardware; planted faults are named with the right layer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from finnspect import reference
from finnspect.emit import Accelerator, EmitOptions, emit_accelerator
from finnspect.errors import VerificationError
from finnspect.folding import Folding, choose_folding
from finnspect.ir import DataflowGraph, MatVec
from finnspect.verify import compare_logits, verify_simulation
from graphs import Conv, Pool, cnv_like, dense, make_graph, random_images

SAME = (1, 1, 1, 1)
FOLDING = Folding.of(
    {
        "conv0_swg": {"SIMD": 1},
        "conv0_mvau": {"PE": 4, "SIMD": 1},
        "pool1": {"PE": 4},
        "conv2_swg": {"SIMD": 2},
        "conv2_mvau": {"PE": 3, "SIMD": 2},
        "conv3_swg": {"SIMD": 2},
        "conv3_mvau": {"PE": 1, "SIMD": 2},
    }
)


@pytest.fixture(scope="module")
def graph():
    return make_graph((8, 8, 2), [Conv(8, pad=SAME), Pool(), Conv(6, pad=SAME), dense(4)], seed=3)


@pytest.fixture(scope="module")
def images(graph):
    return random_images(graph, 12, seed=4)


@pytest.fixture(scope="module")
def built(graph, images, tmp_path_factory):
    """Return the accelerator and its build folder, verified."""
    folder = tmp_path_factory.mktemp("verify")
    accelerator = emit_accelerator(graph, FOLDING, folder / "acc")
    result = verify_simulation(graph, accelerator, images, folder / "sim")
    assert np.array_equal(result.logits, reference.logits(graph, images))
    return accelerator, folder / "sim"


def test_sound_hardware_passes_under_stalls(built, graph, images):
    accelerator, build_dir = built
    result = verify_simulation(
        graph, accelerator, images, build_dir, stall_in=0.4, stall_out=0.4, seed=7, processes=2
    )
    assert result.frames == len(images)
    assert len({tuple(row) for row in result.logits.tolist()}) > len(images) // 2  # the outputs vary


def test_steady_state_reaches_the_folding_bound(built, graph, images):
    accelerator, build_dir = built
    result = verify_simulation(graph, accelerator, images, build_dir)
    assert result.bound == 8 * 8 * 18 * 2
    assert result.bound <= result.cycles_per_frame <= 1.01 * result.bound


# -- planted faults ------------------------------------------------------------------------------


def with_layer(graph: DataflowGraph, layer: MatVec) -> DataflowGraph:
    return replace(graph, layers=tuple(layer if each.name == layer.name else each for each in graph))


def flip_weight_bit(layer: MatVec, rng: np.random.Generator) -> MatVec:
    weights = layer.weights.copy()
    place = tuple(rng.integers(0, n) for n in weights.shape)
    bits = layer.weight_dtype.bits
    code = (int(weights[place]) ^ (1 << int(rng.integers(0, bits)))) & ((1 << bits) - 1)
    weights[place] = code - (1 << bits) if code >> (bits - 1) else code
    return replace(layer, weights=weights)


def move_threshold(layer: MatVec, rng: np.random.Generator) -> MatVec:
    thresholds = layer.activation.thresholds.copy()
    channel, step = rng.integers(0, thresholds.shape[0]), rng.integers(0, thresholds.shape[1] - 1)
    if thresholds[channel, step] < thresholds[channel, step + 1]:
        thresholds[channel, step] += 1
    return replace(layer, activation=replace(layer.activation, thresholds=thresholds))


def swap_channels(layer: MatVec, rng: np.random.Generator) -> MatVec:
    order = np.arange(layer.MH)
    a, b = rng.choice(layer.MH, 2, replace=False)
    order[[a, b]] = order[[b, a]]
    activation = layer.activation
    if activation is not None:
        activation = replace(activation, thresholds=activation.thresholds[order])
    return replace(layer, weights=layer.weights[order], activation=activation)


def observable_fault(
    graph: DataflowGraph,
    name: str,
    plant: Callable[[MatVec, np.random.Generator], MatVec],
    images: np.ndarray,
) -> DataflowGraph:
    """Return a graph with a planted fault that changes logits, not of the first image if that can be."""
    sound = reference.logits(graph, images)
    found = None
    for seed in range(60):
        faulty = with_layer(graph, plant(graph.layer(name), np.random.default_rng(seed)))
        wrong = (reference.logits(faulty, images) != sound).any(axis=1)
        if wrong.any() and not wrong[0]:
            return faulty
        found = faulty if wrong.any() else found
    assert found is not None, f"no observable fault in {name}"
    return found


def changed_lines(a: Accelerator, b: Accelerator) -> list[tuple[str, int, int]]:
    """Return (file, old word, new word) of every line of the memory images that differs."""
    changes = []
    for name in a.images:
        old, new = ((x.path / name).read_text().split() for x in (a, b))
        changes += [(name, int(o, 16), int(n, 16)) for o, n in zip(old, new, strict=True) if o != n]
    return changes


@pytest.mark.parametrize(
    ("plant", "layer"),
    [
        (flip_weight_bit, "conv0_mvau"),
        (flip_weight_bit, "conv2_mvau"),
        (flip_weight_bit, "conv3_mvau"),
        (move_threshold, "conv0_mvau"),
        (move_threshold, "conv2_mvau"),
        (swap_channels, "conv0_mvau"),
        (swap_channels, "conv2_mvau"),
        (swap_channels, "conv3_mvau"),
    ],
)
def test_planted_faults_are_named(built, graph, tmp_path, plant, layer):
    accelerator, build_dir = built
    images = random_images(graph, 40, seed=11)[2:]
    faulty = observable_fault(graph, layer, plant, images)
    emitted = emit_accelerator(faulty, FOLDING, tmp_path / "faulty")
    changes = changed_lines(accelerator, emitted)
    assert all(name.startswith(f"mem/{layer}") for name, _, _ in changes)
    if plant is flip_weight_bit:
        ((_, old, new),) = changes
        assert (old ^ new).bit_count() == 1
    if plant is move_threshold:
        ((_, old, new),) = changes
        assert new - old == 1
    # The sound hardware, and its build, with the faulty memory images.
    shutil.copytree(accelerator.path, tmp_path / "acc")
    shutil.copytree(emitted.path / "mem", tmp_path / "acc" / "mem", dirs_exist_ok=True)
    before = (build_dir / "core" / "Vtop").stat().st_mtime_ns
    with pytest.raises(VerificationError) as caught:
        verify_simulation(graph, Accelerator.load(tmp_path / "acc"), images, build_dir)
    assert (build_dir / "core" / "Vtop").stat().st_mtime_ns == before

    error = caught.value
    sound, wrong = (reference.logits(g, images) for g in (graph, faulty))
    bad = int(np.argmax((sound != wrong).any(axis=1)))
    first = max(0, bad - 1)
    tensor = graph.layer(layer).output
    expected = reference.evaluate(graph, images[first : bad + 1])[tensor].astype(int)
    got = reference.evaluate(faulty, images[first : bad + 1])[tensor].astype(int)
    image, *index = (int(i) for i in np.argwhere(expected != got)[0])
    assert error.layer == layer
    assert error.where == "rtl vs reference"
    assert error.image == first + image
    assert error.index == tuple(index)
    assert error.expected == expected[image, *index]
    assert error.got == got[image, *index]


@pytest.mark.parametrize(
    ("old", "new", "layer"),
    [
        (  # two channels of a feature map change places on the way into a window
            ".s_axis_tdata(pool1_out_dwc1_tdata)",
            ".s_axis_tdata({pool1_out_dwc1_tdata[3:0], pool1_out_dwc1_tdata[7:4]})",
            "conv2_swg",
        ),
        (".PT(1)", ".PT(0)", "conv0_swg"),  # one row of padding is missing at the top, one too many below
        (".SIGNED(0)", ".SIGNED(1)", "pool1"),  # codes of the upper half are taken for negative
    ],
)
def test_faults_in_the_wiring_are_named(built, graph, images, tmp_path, old, new, layer):
    accelerator, _ = built
    shutil.copytree(accelerator.path, tmp_path / "acc")
    core = tmp_path / "acc" / "finnspect_core.sv"
    text = core.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    if "PT" in old:
        text = text.replace(".PB(1)", ".PB(2)", 1)
    core.write_text(text)
    with pytest.raises(VerificationError) as caught:
        verify_simulation(graph, Accelerator.load(tmp_path / "acc"), images, tmp_path / "sim")
    assert caught.value.layer == layer


def test_a_difference_that_cannot_be_recorded_again_still_raises(built, graph, images):
    accelerator, build_dir = built
    expected = reference.logits(graph, images)
    got = expected.copy()
    got[5, 2] += 1
    with pytest.raises(VerificationError, match="every stream of a recorded run agrees") as caught:
        compare_logits(graph, accelerator, images, got, expected, build_dir)
    assert (caught.value.image, caught.value.index, caught.value.layer) == (5, (0, 0, 2), "conv3_mvau")


def test_fifos_and_hard_multipliers_change_nothing(graph, images, tmp_path):
    options = EmitOptions(
        fifo_depths={"pixels": 2, "conv0_win": 16, "pool1_out": 5, "conv2_out": 64},
        mul_styles={"conv0_mvau": "lut", "conv2_mvau": "dsp"},
    )
    accelerator = emit_accelerator(graph, FOLDING, tmp_path / "acc", options)
    verify_simulation(graph, accelerator, images, tmp_path / "sim", stall_in=0.2, stall_out=0.5)


@pytest.mark.parametrize("target", [36_864, 200_000])
def test_a_cnv_streams_at_its_folding_bound(tmp_path, target):
    graph = cnv_like()
    accelerator = emit_accelerator(graph, choose_folding(graph, target), tmp_path / "acc")
    result = verify_simulation(graph, accelerator, random_images(graph, 8), tmp_path / "sim")
    assert result.bound <= target
    assert result.bound <= result.cycles_per_frame <= 1.01 * result.bound
    assert result.latency_cycles < 3 * result.bound
