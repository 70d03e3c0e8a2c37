"""The vectorised reference against plain loops over Python integers."""

import itertools

import numpy as np
import pytest
from finnspect.errors import ConfigError, UnsupportedModelError
from finnspect.ir import DataflowGraph, IntType, Layer, MatVec, MaxPool, SlidingWindow, Staircase, Tensor
from finnspect.reference import (
    MatVecKernel,
    Workspace,
    accumulator_bounds,
    apply_staircase,
    evaluate,
    evaluate_layer,
    logits,
    max_pool,
    sliding_windows,
)


def loop_windows(layer, image):
    (kh, kw), (sh, sw), (top, left, bottom, right) = layer.kernel, layer.stride, layer.pad
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)))
    oh, ow = (padded.shape[0] - kh) // sh + 1, (padded.shape[1] - kw) // sw + 1
    out = np.zeros((oh, ow, kh * kw * image.shape[2]), np.int64)
    for y, x in itertools.product(range(oh), range(ow)):
        out[y, x] = padded[y * sh : y * sh + kh, x * sw : x * sw + kw].reshape(-1)
    return out


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (5, 3), (6, 7)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("pad", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 2, 1, 0)])
@pytest.mark.parametrize("channels", [1, 5])
def test_sliding_windows_equal_loops(kernel, stride, pad, channels):
    images = np.random.default_rng(1).integers(-8, 8, (2, 6, 7, channels)).astype(np.int8)
    layer = SlidingWindow("w", ("a",), ("b",), kernel=kernel, stride=stride, pad=pad)
    got = sliding_windows(layer, images, np.dtype(np.float32))
    expected = np.stack([loop_windows(layer, image) for image in images])
    assert np.array_equal(got, expected)


@pytest.mark.parametrize(
    ("kernel", "stride"), [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((1, 3), (2, 1)), ((4, 2), (4, 2))]
)
def test_max_pool_equals_loops(kernel, stride):
    images = np.random.default_rng(2).integers(-8, 8, (3, 9, 7, 3)).astype(np.int8)
    layer = MaxPool("p", ("a",), ("b",), kernel=kernel, stride=stride)
    got = max_pool(layer, images)
    oh, ow = (9 - kernel[0]) // stride[0] + 1, (7 - kernel[1]) // stride[1] + 1
    assert got.shape == (3, oh, ow, 3)
    for n, y, x in itertools.product(range(3), range(oh), range(ow)):
        block = images[
            n, y * stride[0] : y * stride[0] + kernel[0], x * stride[1] : x * stride[1] + kernel[1]
        ]
        assert np.array_equal(got[n, y, x], block.max(axis=(0, 1)))


def matvec(weights, acc, activation=None):
    return MatVec(
        "m",
        ("a",),
        ("b",),
        weights=weights,
        weight_dtype=IntType.spanning(int(weights.min()), int(weights.max()), signed=True),
        acc_dtype=acc,
        activation=activation,
    )


@pytest.mark.parametrize(
    ("input_dtype", "weight_bits", "width", "expected"),
    [
        (IntType(4, False), 4, 72, np.float32),
        (IntType(8, False), 8, 2304, np.float64),
        (IntType(4, True), 3, 20, np.float32),
        (IntType(16, True), 40, 9, np.int64),
    ],
)
@pytest.mark.parametrize("steps", [0, 3, 15])
def test_matvec_equals_python_integers(input_dtype, weight_bits, width, expected, steps):
    rng = np.random.default_rng(3)
    half = 1 << (weight_bits - 1)
    weights = rng.integers(-half, half, (6, width))
    low, high = accumulator_bounds(weights, input_dtype)
    acc = IntType.spanning(int(low.min()), int(high.max()) + 1, signed=True)
    vectors = rng.integers(input_dtype.min, input_dtype.max + 1, (40, width))
    exact = [[sum(int(w) * int(v) for w, v in zip(r, x, strict=True)) for r in weights] for x in vectors]
    if steps:
        thresholds = np.sort(np.quantile(np.array(exact), rng.random((6, steps))).astype(np.int64), axis=1)
        thresholds[2, -1], thresholds[3, 0] = acc.max, acc.min
        thresholds[4, 0] = exact[0][4]  # equality counts as reached
        thresholds.sort(axis=1)
        staircase = Staircase(thresholds, -4)
        exact = [
            [-4 + sum(v >= int(t) for t in row) for v, row in zip(x, thresholds, strict=True)] for x in exact
        ]
        kernel = MatVecKernel(matvec(weights, acc, staircase), input_dtype, IntType(6, True))
    else:
        kernel = MatVecKernel(matvec(weights, acc), input_dtype, acc)
    assert kernel.dtype == expected
    got = np.empty((40, 6), kernel.output_dtype)
    work = Workspace()
    kernel.activate(kernel.accumulate(vectors.astype(kernel.dtype), work), got, work)
    assert np.array_equal(got, np.array(exact))


def test_bounds_are_reached_exactly():
    weights = np.array([[3, -2, 0], [-1, -1, -1]])
    low, high = accumulator_bounds(weights, IntType(4, False))
    assert (low.tolist(), high.tolist()) == ([-30, -45], [45, 0])
    low, high = accumulator_bounds(weights, IntType(3, True))
    assert (low.tolist(), high.tolist()) == ([-18, -9], [17, 12])


def test_staircase_counts_equality():
    staircase = Staircase(np.array([[-2, 5, 5]]), -1)
    assert apply_staircase(staircase, np.array([[-3], [-2], [4], [5]])).ravel().tolist() == [-1, 0, 0, 2]


def two_layer_graph(seed=0):
    rng = np.random.default_rng(seed)
    u8, u4 = IntType(8, False), IntType(4, False)
    weights = rng.integers(-7, 8, (5, 18))
    acc = IntType(16, True)
    tensors = {
        "input": Tensor("input", (8, 6, 2), u8),
        "w0": Tensor("w0", (8, 6, 18), u8),
        "c0": Tensor("c0", (8, 6, 5), u4),
        "p0": Tensor("p0", (4, 3, 5), u4),
        "w1": Tensor("w1", (1, 1, 60), u4),
        "logits": Tensor("logits", (1, 1, 3), acc),
    }
    layers = (
        SlidingWindow("conv0_window", ("input",), ("w0",), kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1)),
        MatVec(
            "conv0",
            ("w0",),
            ("c0",),
            weights=weights,
            weight_dtype=IntType(4, True),
            acc_dtype=acc,
            activation=Staircase(np.sort(rng.integers(-4000, 4000, (5, 15)), axis=1), 0),
        ),
        MaxPool("pool0", ("c0",), ("p0",), kernel=(2, 2), stride=(2, 2)),
        SlidingWindow("dense0_window", ("p0",), ("w1",), kernel=(4, 3), stride=(4, 3), pad=(0, 0, 0, 0)),
        MatVec(
            "dense0",
            ("w1",),
            ("logits",),
            weights=rng.integers(-7, 8, (3, 60)),
            weight_dtype=IntType(4, True),
            acc_dtype=acc,
        ),
    )
    return DataflowGraph(
        "g", "input", "logits", tensors, layers, np.ones(3), np.zeros(3), input_scale=1 / 255
    )


def test_logits_equal_the_evaluated_output_and_loops():
    graph = two_layer_graph()
    images = np.random.default_rng(4).integers(0, 256, (70, 8, 6, 2)).astype(np.uint8)
    values = evaluate(graph, images)
    assert np.array_equal(logits(graph, images), values["logits"].reshape(70, 3))
    assert values["c0"].dtype == np.uint8
    window, conv = graph.layers[0], graph.layers[1]
    for n in (0, 69):
        vectors = loop_windows(window, images[n].astype(np.int64))
        acc = vectors @ conv.weights.T
        codes = (acc[..., None] >= conv.activation.thresholds).sum(axis=-1)
        assert np.array_equal(values["w0"][n], vectors)
        assert np.array_equal(values["c0"][n], codes)


def test_no_images_give_no_logits():
    assert logits(two_layer_graph(), np.zeros((0, 8, 6, 2), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 8, 6, 2), np.float32), np.zeros((1, 6, 8, 2), np.uint8), np.zeros((8, 6, 2), np.uint8)],
)
def test_wrong_images_are_refused(images):
    with pytest.raises(ConfigError, match="expected uint8"):
        logits(two_layer_graph(), images)


def test_an_unknown_layer_is_refused_by_name():
    class Strange(Layer):
        pass

    with pytest.raises(UnsupportedModelError, match="odd0"):
        evaluate_layer(Strange("odd0", ("a",), ("b",)), two_layer_graph(), ())
