"""The driver's integer model against finnspect's reference: shipped package, random graphs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from dags import residual_graph
from finnspect import reference
from finnspect.ir import DataflowGraph
from finnspect_driver import reference as driver_reference
from finnspect_driver.errors import DeployError, ImageError
from finnspect_driver.reference import IntegerModel
from graphs import Conv, Pool, dense, make_graph, random_graph, random_images

STACKS = [
    [Conv(4), Pool(), dense(3)],
    [Conv(5, kernel=(2, 3), stride=(2, 1), pad=(0, 1, 1, 2)), dense(2)],
    [Conv(3, w_bits=1, o_bits=1), Conv(4, w_bits=2, o_bits=2), Pool((2, 3)), dense(4, w_bits=1)],
    [Conv(6, o_bits=8, w_bits=8), Conv(4, kernel=(1, 1), w_bits=8, o_bits=8), dense(3, w_bits=8)],
    [Conv(4, o_signed=True, pad=(1, 1, 1, 1)), Pool(), Conv(3, o_bits=3), dense(2)],
    [Conv(4, steps=5), dense(3)],
    [dense(2)],
]


def both(graph: DataflowGraph, folder, images):
    graph.save(folder)
    with np.load(folder / "dataflow.npz") as npz:
        model = IntegerModel(json.loads((folder / "dataflow.json").read_text()), dict(npz))
    return model.logits(images), reference.logits(graph, images)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stack", STACKS, ids=range(len(STACKS)))
def test_random_graphs(tmp_path, stack, seed):
    graph = make_graph((9, 11, 1 + 2 * (seed % 2)), stack, seed=seed)
    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(seed).integers(0, 256, (19, *shape), dtype=np.uint8)
    got, expected = both(graph, tmp_path, images)
    assert got.dtype == np.int32
    assert np.array_equal(got, expected)
    assert len(np.unique(got, axis=0)) > 1


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_the_search_and_the_table_agree(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(driver_reference, "_TABLE_LIMIT", limit)
    graph = make_graph((8, 8, 1), STACKS[3], seed=4)
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    got, expected = both(graph, tmp_path, images)
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("exact", [((np.float64, 1 << 53),), ()])
def test_every_type_of_product_is_exact(tmp_path, monkeypatch, exact):
    monkeypatch.setattr(driver_reference, "_FLOAT_EXACT", exact)
    graph = make_graph((8, 8, 1), STACKS[0], seed=5)
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    got, expected = both(graph, tmp_path, images)
    assert np.array_equal(got, expected)


def test_what_it_does_not_know_is_refused(tmp_path):
    graph = make_graph((8, 8, 1), STACKS[0], seed=0)
    graph.save(tmp_path)
    document = json.loads((tmp_path / "dataflow.json").read_text())
    with np.load(tmp_path / "dataflow.npz") as npz:
        arrays = dict(npz)
    with pytest.raises(DeployError, match="version 9, this driver reads"):
        IntegerModel({**document, "format_version": 9}, arrays)
    model = IntegerModel(document, arrays)
    with pytest.raises(ImageError, match=r"takes uint8 \(N, 8, 8, 1\), got float32"):
        model.logits(np.zeros((1, 8, 8, 1), np.float32))
    assert model.logits(np.zeros((0, 8, 8, 1), np.uint8)).shape == (0, 3)
    document["layers"][1]["kind"] = "softmax"
    with pytest.raises(DeployError, match="of the kind 'softmax', which this driver does not know"):
        IntegerModel(document, arrays)


@pytest.mark.parametrize("seed", range(25))
def test_graphs_of_every_kind(tmp_path, seed):
    graph = random_graph(seed)
    images = random_images(graph, 5, seed)
    got, expected = both(graph, tmp_path, images)
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("limit", [0, 1 << 20])
@pytest.mark.parametrize("output", ["logits", "argmax"])
def test_residual_graphs(tmp_path, monkeypatch, output, limit):
    monkeypatch.setattr(driver_reference, "_TABLE_LIMIT", limit)
    graph = residual_graph(output)
    images = np.random.default_rng(3).integers(
        0, 256, (21, *graph.tensors[graph.input].shape), dtype=np.uint8
    )
    got, expected = both(graph, tmp_path, images)
    assert np.array_equal(got, expected)
    assert len(np.unique(got, axis=0)) > 1


def test_an_argmax_of_biased_classes(tmp_path):
    graph = residual_graph("argmax")
    spread = int(np.abs(graph.tensors[graph.layers[-1].input].dtype.max)) // 16
    offsets = (0, 3 * spread, 1, 2 * spread, spread)
    biased = replace(graph, layers=(*graph.layers[:-1], replace(graph.layers[-1], shift=2, offsets=offsets)))
    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(3).integers(0, 256, (21, *shape), dtype=np.uint8)
    got, expected = both(biased, tmp_path, images)
    assert np.array_equal(got, expected)
    assert not np.array_equal(got, both(graph, tmp_path, images)[0])


def test_the_shipped_package_on_its_golden_images(tmp_path):
    from finnspect.frontend import compile_package
    from finnspect.package import ModelPackage
    from finnspect.paths import ROOT

    package = ModelPackage.load(ROOT / "quant_models" / "packages" / "cnv_w4a4-synthetic")
    graph = compile_package(package, tmp_path / "work", lambda text: None).graph
    golden = package.golden()
    got, expected = both(graph, tmp_path, golden.images)
    assert np.array_equal(got, expected)
    assert np.array_equal(got, golden.logits_int)
    noise = np.random.default_rng(0).integers(0, 256, (40, *package.input_shape), dtype=np.uint8)
    got, expected = both(graph, tmp_path, noise)
    assert np.array_equal(got, expected)
