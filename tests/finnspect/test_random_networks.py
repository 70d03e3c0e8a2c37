"""Random networks of every layer: the dataflow graph equals the executed QONNX file, layer by layer."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from features import WANTED, features, widest_accumulator
from finnspect.errors import VerificationError
from finnspect.frontend import load_qonnx, read_network
from finnspect.frontend.check import check_model
from finnspect.frontend.execution import BatchRunner
from finnspect.frontend.lower import dataflow_graph, layer_names
from finnspect.ir import (
    Add,
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    MatVec,
    MaxPool,
    SlidingWindow,
    SumPool,
    Threshold,
)
from random_networks import FLOAT32_EXACT, lively, random_network
from random_writer import QONNX, Writer

SEEDS = range(40)


def compiled(drawn, folder):
    model = load_qonnx(drawn.save(folder / "m.onnx"))
    network = read_network(model)
    return dataflow_graph(network, f"random{drawn.seed}"), model, network


@pytest.fixture(scope="module")
def seen():
    return Counter()


@pytest.mark.parametrize("seed", SEEDS)
def test_reference_equals_the_executed_file(seed, seen, tmp_path):
    drawn = random_network(seed)
    graph, model, network = compiled(drawn, tmp_path)
    check = check_model(graph, model, network, drawn.images(32))
    assert check.layers >= 2
    assert check.changed_predictions <= check.rounding_images
    graph.save(tmp_path)
    assert DataflowGraph.load(tmp_path) == graph
    well_typed(graph)
    seen.update(type(layer) for layer in graph)
    seen["rounded"] += check.rounding_images


def well_typed(graph):
    """Types and thresholds are what the intermediate representation promises."""
    for layer in graph:
        stairs, acc = getattr(layer, "activation", None), getattr(layer, "acc_dtype", None)
        if isinstance(layer, MatVec | Depthwise):
            assert graph.tensors[layer.input].dtype.bits <= 8
            assert (
                layer.weight_dtype.min <= layer.weights.min() <= layer.weights.max() <= layer.weight_dtype.max
            )
        if acc is not None:
            assert acc.bits <= 32
        if stairs is None:
            continue
        out = graph.tensors[layer.output].dtype
        assert out.min <= stairs.base
        assert stairs.base + stairs.steps <= out.max
        least, most = (acc.min, acc.max) if acc is not None else (out.min, 1 << 33)
        if isinstance(layer, Threshold):
            dtype = graph.tensors[layer.input].dtype
            least, most = dtype.min, dtype.max + 1
        assert least <= stairs.thresholds.min()
        assert stairs.thresholds.max() <= most


def test_every_layer_was_drawn(seen):
    """Runs after the others: together they have every kind of layer."""
    if sum(seen.values()) == 0:
        pytest.skip("the networks were not run")
    kinds = {SlidingWindow, MatVec, Depthwise, MaxPool, SumPool, Add, Concat, Threshold, ArgMax}
    assert kinds <= set(seen)
    assert seen["rounded"] <= 40 * 32 * 0.05


def test_everything_that_is_to_be_taken_was_drawn():
    missing = WANTED - set().union(*(features(random_network(seed).model) for seed in SEEDS))
    assert not missing, f"no network has {sorted(missing)}: draw it more often, or take more seeds"


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_activations_hit_half_of_their_codes_and_sums_are_exact(seed, tmp_path):
    """Seen in the executed file, not in the generator's own bookkeeping."""
    drawn = random_network(seed)
    assert widest_accumulator(drawn.model) < FLOAT32_EXACT
    model = load_qonnx(drawn.save(tmp_path / "m.onnx"))
    values = BatchRunner(model).run_all(drawn.samples)
    activations = [
        node
        for node in model.graph.node
        if node.op_type in ("Quant", "BipolarQuant") and model.get_initializer(node.input[0]) is None
    ]
    assert activations
    for node in activations:
        bits = 1 if node.op_type == "BipolarQuant" else int(model.get_initializer(node.input[3]))
        scale = np.float32(model.get_initializer(node.input[1]))
        codes = np.unique(np.round(values[node.output[0]] / scale))
        assert len(codes) >= 1 << bits - 1, node.name
    sums = [layer for layer in read_network(model).compute if layer.steps is None]
    assert all(-FLOAT32_EXACT < layer.low <= layer.high < FLOAT32_EXACT for layer in sums)


def chain(scale, *, weights=8, inputs=4):
    """A dense layer of a quantizer with a given step."""
    net = Writer(np.random.default_rng(1), (inputs, inputs, 1))
    x = net.quant(net.op("Flatten", "image", axis=1), 8, signed=False, narrow=False, scale=scale)
    codes = net.const(np.full((2, inputs * inputs), 127.0) * np.array([[1], [-1]]))
    quantizer = [codes, net.const(1.0), net.const(0.0), net.const(float(weights))]
    w = net.op("Quant", *quantizer, domain=QONNX, signed=1, narrow=0, rounding_mode="ROUND")
    return net, net.op("Gemm", x, w, transB=1)


@pytest.mark.parametrize(
    ("scale", "alive"), [(1.0, True), (2.5, False), (0.002, False), (1000.0, False)], ids=str
)
def test_what_saturates_or_idles_is_drawn_again(scale, alive):
    """Fewer than half of the codes: a step too coarse, one so fine that all saturates, one that all are 0."""
    assert lively(*chain(scale)) == alive


def test_what_float32_cannot_hold_is_drawn_again(monkeypatch):
    assert widest_accumulator(chain(1.0)[0].model(chain(1.0)[1])) == 16 * 127 * 255
    net, output = chain(1.0, inputs=23)
    assert widest_accumulator(net.model(output)) == 23 * 23 * 127 * 255 > FLOAT32_EXACT
    before = random_network(3)
    wide = widest_accumulator(before.model)
    monkeypatch.setattr("random_networks.FLOAT32_EXACT", wide)
    again = random_network(3)
    assert again.attempts > before.attempts
    assert widest_accumulator(again.model) < wide


def plant(layer):
    """Return the layer with a fault; None where it has nothing of its own."""
    stairs = getattr(layer, "activation", None)
    if isinstance(layer, MatVec | Depthwise):
        return replace(layer, weights=-layer.weights)
    if isinstance(layer, Add):
        return replace(layer, multipliers=(layer.multipliers[0], -layer.multipliers[1]))
    if isinstance(layer, Concat):
        return replace(layer, inputs=layer.inputs[1:] + layer.inputs[:1])
    return None if stairs is None else replace(layer, activation=replace(stairs, base=stairs.base - 1))


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_a_planted_fault_is_named(seed, tmp_path):
    drawn = random_network(seed)
    graph, model, network = compiled(drawn, tmp_path)
    images = drawn.images(16)
    names = layer_names(network)
    shown = {names[source.output] for source in network.layers if source.probe is not None}
    for layer in graph:
        fault = plant(layer)
        if fault is None or layer.name not in shown:
            continue
        layers = tuple(fault if each is layer else each for each in graph)
        with pytest.raises(VerificationError) as caught:
            check_model(replace(graph, layers=layers), model, network, images)
        assert caught.value.layer == layer.name, layer


def test_the_same_seed_draws_the_same_network():
    first, second = random_network(3), random_network(3)
    assert first.model.SerializeToString(deterministic=True) == second.model.SerializeToString(
        deterministic=True
    )
    assert np.array_equal(first.images(4), second.images(4))
