import numpy as np
import pytest
from finnspect.errors import PackageError
from finnspect.ir import (
    DataflowGraph,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    Tensor,
)


def small_graph() -> DataflowGraph:
    u8, u2 = IntType(8, False), IntType(2, False)
    acc = IntType(12, True)
    rng = np.random.default_rng(0)
    tensors = {
        "input": Tensor("input", (4, 4, 1), u8),
        "win": Tensor("win", (4, 4, 9), u8),
        "act": Tensor("act", (4, 4, 2), u2),
        "pool": Tensor("pool", (2, 2, 2), u2),
        "vec": Tensor("vec", (1, 1, 8), u2),
        "logits": Tensor("logits", (1, 1, 3), IntType(6, True)),
    }
    layers = (
        SlidingWindow("w0", ("input",), ("win",), kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1)),
        MatVec(
            "c0",
            ("win",),
            ("act",),
            weights=rng.integers(-1, 2, (2, 9)),
            weight_dtype=IntType(2, True),
            acc_dtype=acc,
            activation=Staircase(np.array([[-50, 10, 99], [0, acc.max, acc.max]]), 0),
        ),
        MaxPool("p0", ("act",), ("pool",), kernel=(2, 2), stride=(2, 2)),
        SlidingWindow("w1", ("pool",), ("vec",), kernel=(2, 2), stride=(2, 2), pad=(0, 0, 0, 0)),
        MatVec(
            "d0",
            ("vec",),
            ("logits",),
            weights=rng.integers(-1, 2, (3, 8)),
            weight_dtype=IntType(2, True),
            acc_dtype=IntType(6, True),
        ),
    )
    return DataflowGraph(
        "small",
        "input",
        "logits",
        tensors,
        layers,
        logit_scale=np.array([0.1, 1 / 3, 2.0]),
        logit_bias=np.zeros(3),
        input_scale=1 / 255,
        finn_nodes={"c0": "MVAU_0"},
    )


def test_saved_graph_loads_back_equal(tmp_path):
    graph = small_graph()
    graph.save(tmp_path)
    assert DataflowGraph.load(tmp_path) == graph


def test_saving_twice_makes_the_same_bytes(tmp_path):
    graph = small_graph()
    for name in ("a", "b"):
        graph.save(tmp_path / name)
    for file in ("dataflow.json", "dataflow.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_one_changed_weight_makes_graphs_differ(tmp_path):
    graph, other = small_graph(), small_graph()
    other.layer("c0").weights[1, 3] += 1
    assert graph != other


def test_a_newer_format_is_refused(tmp_path):
    small_graph().save(tmp_path)
    path = tmp_path / "dataflow.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 99'))
    with pytest.raises(PackageError, match="version 99"):
        DataflowGraph.load(tmp_path)


def test_a_missing_graph_is_refused(tmp_path):
    with pytest.raises(PackageError, match="no readable dataflow graph"):
        DataflowGraph.load(tmp_path)


def test_a_layer_reading_an_unmade_tensor_is_refused():
    graph = small_graph()
    with pytest.raises(ValueError, match="before it is made"):
        DataflowGraph("x", "input", "logits", graph.tensors, graph.layers[1:], np.ones(3), np.zeros(3), 1.0)


def test_staircase_must_ascend():
    with pytest.raises(ValueError, match="ascend"):
        Staircase(np.array([[3, 1]]), 0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, "UINT1"),
        (0, 255, "UINT8"),
        (0, 256, "UINT9"),
        (-1, 0, "INT1"),
        (-8, 7, "INT4"),
        (-9, 7, "INT5"),
    ],
)
def test_spanning_type_is_the_narrowest(low, high, expected):
    assert str(IntType.spanning(low, high)) == expected
    assert IntType.parse(expected) == IntType.spanning(low, high)


def test_every_kind_is_registered():
    assert {"sliding_window", "matvec", "max_pool"} <= set(Layer.registry)
