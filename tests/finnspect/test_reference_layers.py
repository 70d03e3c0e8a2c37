"""The reference's layers of residual and depthwise networks, against plain loops over Python integers."""

import itertools

import numpy as np
import pytest
from dags import residual_graph
from finnspect import staircase
from finnspect.ir import (
    Add,
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    IntType,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    SumPool,
    Tensor,
    Threshold,
)
from finnspect.reference import Reference, evaluate, evaluate_layer, logits, predictions

WIDE = IntType(40, True)


def run(layer, inputs, types, out_shape, out_type=WIDE):
    """Evaluate one layer; the tensors' types are given, shapes are the arrays'."""
    tensors = {
        name: Tensor(name, x.shape[1:], t) for name, x, t in zip(layer.inputs, inputs, types, strict=True)
    }
    tensors[layer.output] = Tensor(layer.output, out_shape, out_type)
    graph = DataflowGraph(
        "g", layer.inputs[0], layer.inputs[0], tensors, (), np.ones(1), np.zeros(1), input_scale=1.0
    )
    stored = tuple(x.astype(staircase.storage_dtype(t)) for x, t in zip(inputs, types, strict=True))
    (out,) = evaluate_layer(layer, graph, stored)
    assert out.dtype == staircase.storage_dtype(out_type)
    assert out.shape[1:] == out_shape
    return out


def draw(rng, dtype, *shape):
    return rng.integers(dtype.min, dtype.max + 1, shape)


def steps_of(rng, accumulators, channels, shared):
    """Some thresholds at values that occur, one never reached, one always."""
    rows = 1 if shared else channels
    thresholds = rng.choice(accumulators.reshape(-1), (rows, 6)).astype(np.int64)
    thresholds[0, 0], thresholds[-1, 1] = WIDE.max, WIDE.min
    return Staircase(np.sort(thresholds, axis=1), -2)


def climb(activation, accumulators):
    """Count reached thresholds, one element at a time."""
    if activation is None:
        return accumulators
    out = np.empty_like(accumulators)
    for index, value in np.ndenumerate(accumulators):
        row = activation.thresholds[index[-1] % len(activation.thresholds)]
        out[index] = activation.base + sum(int(value) >= int(t) for t in row)
    return out


ACTIVATIONS = ["none", "channel", "shared"]
TYPES = [IntType(4, False), IntType(3, True), IntType(8, False), IntType(1, False)]


def checked(layer_of, inputs, types, accumulators, kind, seed):
    """Evaluate with and without a staircase, compare with the given accumulators."""
    channels = accumulators.shape[-1]
    rng = np.random.default_rng(seed)
    activation = None if kind == "none" else steps_of(rng, accumulators, channels, kind == "shared")
    out_type = WIDE if activation is None else IntType(4, True)
    got = run(layer_of(activation), inputs, types, accumulators.shape[1:], out_type)
    assert np.array_equal(got, climb(activation, accumulators))


@pytest.mark.parametrize("kind", ["none", "channel"])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_depthwise(dtype, kind):
    rng = np.random.default_rng(1)
    images, weights = draw(rng, dtype, 3, 6, 5, 4), rng.integers(-8, 8, (4, 6))
    window = SlidingWindow("w", ("a",), ("b",), kernel=(3, 2), stride=(2, 1), pad=(1, 0, 1, 1))
    windows = run(window, (images,), (dtype,), (3, 5, 24), dtype)
    padded = np.pad(images, ((0, 0), (1, 1), (0, 1), (0, 0)))
    expected = np.zeros((3, 3, 5, 4), np.int64)
    for n, y, x, c in np.ndindex(expected.shape):
        expected[n, y, x, c] = sum(
            int(padded[n, 2 * y + i, x + j, c]) * int(weights[c, 2 * i + j])
            for i, j in itertools.product(range(3), range(2))
        )
    checked(
        lambda act: Depthwise("d", ("b",), ("o",), weights, IntType(4, True), WIDE, act),
        (windows,),
        (dtype,),
        expected,
        kind,
        1,
    )


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("kernel", [(2, 2), (1, 3), (7, 5)])
def test_sum_pool(dtype, kernel, kind):
    images = draw(np.random.default_rng(2), dtype, 2, 7, 5, 3)
    oh, ow = 7 // kernel[0], 5 // kernel[1]
    expected = np.zeros((2, oh, ow, 3), np.int64)
    for n, y, x, c in np.ndindex(expected.shape):
        block = images[n, y * kernel[0] : (y + 1) * kernel[0], x * kernel[1] : (x + 1) * kernel[1], c]
        expected[n, y, x, c] = sum(int(v) for v in block.reshape(-1))
    checked(
        lambda act: SumPool("s", ("a",), ("o",), kernel, WIDE, act), (images,), (dtype,), expected, kind, 2
    )


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("multipliers", [(1, 1), (3, -2), (-517, 1 << 34)])
def test_add(multipliers, kind):
    rng = np.random.default_rng(3)
    types = (IntType(4, False), IntType(5, True))
    a, b = draw(rng, types[0], 2, 4, 3, 5), draw(rng, types[1], 2, 4, 3, 5)
    a[0, 0, 0], b[0, 0, 0] = types[0].max, types[1].min
    expected = np.zeros(a.shape, np.int64)
    for index in np.ndindex(a.shape):
        expected[index] = multipliers[0] * int(a[index]) + multipliers[1] * int(b[index])
    checked(
        lambda act: Add("s", ("a", "b"), ("o",), multipliers, WIDE, act), (a, b), types, expected, kind, 3
    )


@pytest.mark.parametrize("kind", ["channel", "shared"])
@pytest.mark.parametrize("dtype", [IntType(1, False), IntType(8, True), IntType(24, True)], ids=str)
def test_threshold(dtype, kind):
    images = draw(np.random.default_rng(4), dtype, 2, 4, 3, 5)
    checked(lambda act: Threshold("t", ("a",), ("o",), act), (images,), (dtype,), images, kind, 4)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(
    ("kernel", "stride", "pad"),
    [((3, 3), (2, 2), (1, 1, 1, 1)), ((2, 3), (1, 2), (0, 2, 1, 0)), ((2, 2), (2, 2), (1, 0, 0, 1))],
)
def test_padded_and_overlapping_max_pool(dtype, kernel, stride, pad):
    images = draw(np.random.default_rng(5), dtype, 2, 7, 6, 3)
    images[0] = dtype.min  # padding of 0 would win
    oh = (7 + pad[0] + pad[2] - kernel[0]) // stride[0] + 1
    ow = (6 + pad[1] + pad[3] - kernel[1]) // stride[1] + 1
    expected = np.zeros((2, oh, ow, 3), np.int64)
    for n, y, x, c in np.ndindex(expected.shape):
        rows = (y * stride[0] + i - pad[0] for i in range(kernel[0]))
        cols = [x * stride[1] + j - pad[1] for j in range(kernel[1])]
        places = [(i, j) for i in rows for j in cols if 0 <= i < 7 and 0 <= j < 6]
        expected[n, y, x, c] = max((int(images[n, i, j, c]) for i, j in places), default=dtype.min)
    got = run(MaxPool("p", ("a",), ("o",), kernel, stride, pad), (images,), (dtype,), (oh, ow, 3), dtype)
    assert np.array_equal(got, expected)


def test_concat_and_argmax():
    rng = np.random.default_rng(6)
    dtype = IntType(3, True)
    parts = [draw(rng, dtype, 9, 2, 2, c) for c in (1, 4, 2)]
    got = run(Concat("c", ("a", "b", "c"), ("o",)), parts, (dtype,) * 3, (2, 2, 7), dtype)
    for n, y, x in np.ndindex(9, 2, 2):
        assert got[n, y, x].tolist() == [v for part in parts for v in part[n, y, x].tolist()]
    best = run(ArgMax("m", ("a",), ("o",)), (got[:, :1, :1],), (dtype,), (1, 1, 1), IntType(3, False))
    for n in range(9):
        row = got[n, 0, 0].tolist()
        assert best[n].item() == row.index(max(row))


@pytest.mark.parametrize("output", ["logits", "argmax"])
def test_the_fused_plan_of_a_residual_graph(output):
    graph = residual_graph(output)
    matvecs = [layer.name for layer in graph if isinstance(layer, MatVec)]
    plan = Reference(graph)._fused
    assert [step.layer.name for step in plan if step.pool] == [matvecs[1]]
    assert [step.layer.name for step in plan if step.window] == matvecs
    images = np.random.default_rng(8).integers(0, 256, (40, 8, 6, 2)).astype(np.uint8)
    values, got = evaluate(graph, images), logits(graph, images)
    assert np.array_equal(got, values[graph.output].reshape(len(images), -1))
    assert len(np.unique(got, axis=0)) > 1
    sums = got if output == "logits" else values[graph.layers[-1].input].reshape(len(images), -1)
    assert np.array_equal(predictions(graph, got), sums.argmax(axis=1))


def test_tables_and_searches_agree(monkeypatch):
    graph = residual_graph()
    images = np.random.default_rng(9).integers(0, 256, (20, 8, 6, 2)).astype(np.uint8)
    with_tables = logits(graph, images)
    monkeypatch.setattr(staircase, "TABLE_LIMIT", 0)
    assert np.array_equal(logits(graph, images), with_tables)
