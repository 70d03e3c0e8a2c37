"""Memory images of fs_mvau: layout word by word, search trees walked by hand, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from finnspect.analysis.styles import rows_in_turn
from finnspect.emit import memory
from finnspect.errors import ConfigError
from finnspect.ir import IntType, MatVec, Staircase
from hypothesis import given, settings
from hypothesis import strategies as st


def matvec(weights, thresholds=None, w_bits=4, acc_bits=10, base=0) -> MatVec:
    activation = None if thresholds is None else Staircase(np.asarray(thresholds, dtype=np.int64), base)
    weights = np.asarray(weights, dtype=np.int64)
    return MatVec("fc", ("x",), ("y",), weights, IntType(w_bits, True), IntType(acc_bits, True), activation)


def words(text: str) -> list[int]:
    assert text.endswith("\n")
    return [int(line, 16) for line in text.splitlines()]


def field(word: int, index: int, bits: int) -> int:
    """Element ``index`` of a word, as a signed number."""
    value = word >> (index * bits) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def test_readmemh_writes_fields_low_bits_first():
    assert memory.readmemh(np.array([[1, -2, 3], [-8, 7, 0]]), 4) == "3e1\n078\n"


def test_readmemh_pads_words_to_whole_digits():
    assert memory.readmemh(np.array([[1, -1, 2]]), 3) == f"{2 << 6 | 7 << 3 | 1:03x}\n"
    assert memory.readmemh(np.array([[1], [0]]), 1) == "1\n0\n"


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.data())
def test_readmemh_keeps_every_field(data):
    bits, count, rows = (data.draw(st.integers(1, n)) for n in (17, 9, 5))
    low, high = (0, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    values = np.array(data.draw(st.lists(
        st.lists(st.integers(low, high), min_size=count, max_size=count), min_size=rows, max_size=rows
    )))  # fmt: skip
    text = memory.readmemh(values, bits)
    assert {len(line) for line in text.split()} == {-(-bits * count // 4)}
    for word, row in zip(words(text), values.tolist(), strict=True):
        mask = (1 << bits) - 1
        assert [word >> (i * bits) & mask for i in range(count)] == [value & mask for value in row]


@pytest.mark.parametrize(("pe", "simd"), [(1, 1), (2, 3), (6, 4), (3, 12), (6, 12)])
def test_weight_words(pe, simd):
    weights = np.random.default_rng(0).integers(-8, 8, (6, 12))
    image = words(memory.weight_image(matvec(weights), pe, simd))
    sf = 12 // simd
    assert len(image) == 6 // pe * sf
    for row in range(6):
        for column in range(12):
            word = image[row // pe * sf + column // simd]
            assert field(word, row % pe * simd + column % simd, 4) == weights[row, column]


@pytest.mark.parametrize(
    ("levels", "sf", "style", "stages"),
    [
        (4, 1, "distributed", [(0, 1), (1, 1), (2, 1), (3, 1)]),
        (4, 3, "distributed", [(0, 1), (1, 1), (2, 1), (3, 1)]),
        (4, 4, "distributed", [(0, 2), (2, 2)]),
        (4, 7, "distributed", [(0, 3), (3, 1)]),
        (4, 8, "distributed", [(0, 4)]),
        (4, 8, "block", [(0, 2), (2, 2)]),
        (4, 1000, "block", [(0, 4)]),
        (8, 9, "block", [(0, 3), (3, 3), (6, 2)]),
        (0, 5, "block", []),
    ],
)
def test_search_stages(levels, sf, style, stages):
    assert [(s.level, s.count) for s in memory.search_stages(levels, sf, style)] == stages


def search(images: dict[str, str], levels: int, sf: int, style: str, nf: int, row: int, x: int) -> int:
    """Count the thresholds that ``x`` reaches as the hardware does: addresses from the RTL headers."""
    node = 1
    for index, stage in enumerate(memory.search_stages(levels, sf, style)):
        memory_words = words(images[f"_p{row:03d}_s{index}.mem"])
        for level in range(stage.level, stage.level + stage.count):
            if stage.count == 1:
                address = (nf << level) + node - (1 << level)
            else:
                address = (nf << (stage.level + stage.count)) + node
            node = 2 * node + int(x >= field(memory_words[address], 0, 10))
    return node - (1 << levels)


@pytest.mark.parametrize("style", ["distributed", "block"])
@pytest.mark.parametrize("sf", [1, 4, 6, 30])
@pytest.mark.parametrize("steps", [1, 2, 3, 6, 15])
def test_threshold_images_hold_search_trees(steps, sf, style):
    rng = np.random.default_rng(steps)
    thresholds = np.sort(rng.integers(-500, 501, (6, steps)), axis=1)
    thresholds[0, -1], thresholds[1, 0] = 511, -512  # never reached; always reached
    layer = matvec(rng.integers(-8, 8, (6, sf)), thresholds)
    images = memory.threshold_images(layer, 2, 1, style)
    levels = memory.search_levels(steps)
    for channel in range(6):
        for x in {-511, 510, *(t + d for t in thresholds[channel] for d in (-1, 0) if -512 <= t + d < 511)}:
            got = search(images, levels, sf, style, channel // 2, channel % 2, int(x))
            assert got == int((x >= thresholds[channel]).sum()), (channel, x)


def test_bipolar_weights_are_one_bit():
    weights = np.random.default_rng(3).choice([-1, 1], (4, 6))
    image = words(memory.weight_image(matvec(weights), 2, 3))
    assert len(image) == 2 * 2
    for row, column in np.ndindex(weights.shape):
        word = image[row // 2 * 2 + column // 3]
        assert (word >> (row % 2 * 3 + column % 3)) & 1 == (weights[row, column] > 0)


@pytest.mark.parametrize("a_type", [IntType(1, False), IntType(3, False), IntType(2, True)], ids=str)
def test_bipolar_rows_are_counted_with_their_constant(a_type):
    """Element less its type's least value where the weight is +1, else the type's span less that."""
    rng = np.random.default_rng(4)
    weights = rng.choice([-1, 1], (5, 9))
    x = rng.integers(a_type.min, a_type.max + 1, (200, 9))
    x[0], x[1] = a_type.min, a_type.max
    y = x @ weights.T
    thresholds = np.sort(rng.integers(y.min() - 1, y.max() + 2, (5, 7)), axis=1)
    thresholds[:, -1], thresholds[0, 0] = 511, -512
    searched, bits = memory.searched_thresholds(matvec(weights, thresholds), a_type)
    v = x - a_type.min
    count = np.where(weights > 0, v[:, None], a_type.max - a_type.min - v[:, None]).sum(axis=2)
    count -= 1 << (bits - 1)
    assert IntType(bits, True).min <= min(count.min(), searched.min())
    assert IntType(bits, True).max >= searched.max() and IntType(bits, True).max > count.max()
    np.testing.assert_array_equal(count[:, :, None] >= searched, y[:, :, None] >= thresholds)


@pytest.mark.parametrize(
    ("steps", "sf", "pe", "style", "rows"),
    [
        (15, 7, 4, "distributed", 0),
        (15, 8, 4, "distributed", 2),
        (15, 8, 1, "distributed", 1),
        (15, 11, 5, "block", 0),
        (15, 12, 5, "block", 3),
        (15, 36, 8, "block", 8),
        (15, 36, 10, "block", 5),
        (1, 2, 7, "distributed", 2),
    ],
)
def test_rows_in_turn(steps, sf, pe, style, rows):
    assert rows_in_turn(steps, sf, pe, style) == rows


def test_unit_images_hold_search_trees():
    """Rows 0 to 2 in one unit, 3 and 4 in the other; addresses from the RTL header."""
    rng = np.random.default_rng(6)
    thresholds = np.sort(rng.integers(-500, 501, (10, 6)), axis=1)
    images = memory.threshold_images(matvec(np.full((10, 4), 2), thresholds), 5, 1, rows=3)
    assert set(images) == {"_u000.mem", "_u001.mem"}
    for channel, x in itertools.product(range(10), (-512, -100, 0, 77, 510)):
        nf, row = divmod(channel, 5)
        memory_words, node = words(images[f"_u{row // 3:03d}.mem"]), 1
        assert len(memory_words) == 2 * 4 * 8
        for _ in range(3):
            threshold = field(memory_words[(nf * 4 + row % 3) * 8 + node], 0, 10)
            node = 2 * node + int(x >= threshold)
        assert node - 8 == int((x >= thresholds[channel]).sum())


def test_images_are_named_after_their_stem():
    weights, prefix, files = memory.mvau_images(matvec(np.full((2, 4), 3), [[0], [1]]), "mem/fc", 2, 1)
    assert (weights, prefix) == ("mem/fc_weights.mem", "mem/fc_thresholds")
    assert set(files) == {weights, f"{prefix}_p000_s0.mem", f"{prefix}_p001_s0.mem"}


def test_banks_hold_the_words_in_order():
    layer = matvec(np.random.default_rng(1).integers(-8, 8, (4, 6)))
    name, _, whole = memory.mvau_images(layer, "fc", 1, 1)
    prefix, _, banks = memory.mvau_images(layer, "fc", 1, 1, bank=16)
    assert (name, prefix) == ("fc_weights.mem", "fc_weights")
    assert list(banks) == ["fc_weights_b00.mem", "fc_weights_b01.mem"]
    assert "".join(banks.values()) == whole[name] + 8 * "0\n"


def test_no_activation_has_no_threshold_images():
    assert memory.threshold_images(matvec(np.ones((2, 4))), 1, 1) == {}


@pytest.mark.parametrize(
    ("layer", "pe", "simd", "message"),
    [
        (matvec(np.ones((4, 6))), 3, 1, "PE 3 must divide MH 4"),
        (matvec(np.ones((4, 6))), 2, 4, "SIMD 4 must divide MW 6"),
        (matvec(np.ones((4, 6))), 0, 1, "PE 0"),
        (matvec(np.full((4, 6), 8)), 2, 2, "weights from 8 to 8 do not fit INT4"),
        (matvec(np.ones((2, 2)), [[0, 512], [0, 1]]), 1, 1, "thresholds from 0 to 512 do not fit INT10"),
        (matvec(np.ones((2, 2)), [[0, 1]]), 1, 1, "1 threshold sets for 2 rows"),
    ],
)
def test_refusals_name_the_layer(layer, pe, simd, message):
    with pytest.raises(ConfigError, match=message) as error:
        memory.mvau_images(layer, "fc", pe, simd)
    assert "'fc'" in str(error.value) and error.value.remedy
