"""Emission: what is written, that it is the same every time, lints, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dags import Dag, dag_folding
from finnspect.emit import Accelerator, EmitOptions, emit_accelerator
from finnspect.emit.accelerator import library_closure
from finnspect.errors import ConfigError, PackageError, UnsupportedModelError
from finnspect.folding import Folding, choose_folding, full_folding
from finnspect.ir import Add, DataflowGraph, IntType, Staircase, Tensor
from finnspect.sim.verilator import VerilatorJob, lint
from finnspect.toolchains.yosys import read_slang, run_yosys
from graphs import Conv, Pool, dense, make_graph, random_folding, random_graph

SAME = (1, 1, 1, 1)


@pytest.fixture(scope="module")
def graph():
    return make_graph((8, 8, 2), [Conv(12, pad=SAME), Pool(), Conv(8), dense(6)], name="odd 'name' \"x\"\n*/")


@pytest.fixture(scope="module")
def folding(graph):
    return Folding.of(
        {
            "conv0_swg": {"SIMD": 2},
            "conv0_mvau": {"PE": 4, "SIMD": 2},
            "pool1": {"PE": 6},
            "conv2_swg": {"SIMD": 12},
            "conv2_mvau": {"PE": 2, "SIMD": 12},
            "conv3_swg": {"SIMD": 2},
            "conv3_mvau": {"PE": 3, "SIMD": 2},
        }
    )


@pytest.fixture(scope="module")
def accelerator(graph, folding, tmp_path_factory):
    options = EmitOptions(fifo_depths={"conv2_out": 16}, mul_styles={"conv2_mvau": "dsp"})
    return emit_accelerator(graph, folding, tmp_path_factory.mktemp("emit") / "acc", options)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def lint_all(accelerator):
    sources = tuple(accelerator.path / name for name in accelerator.sources)
    lint(VerilatorJob("finnspect_core", sources, accelerator.path, main=(), library_dirs=()))


def test_the_same_input_gives_the_same_bytes(graph, folding, accelerator, tmp_path):
    options = EmitOptions(fifo_depths={"conv2_out": 16}, mul_styles={"conv2_mvau": "dsp"})
    again = emit_accelerator(graph, folding, tmp_path / "elsewhere", options)
    assert contents(again.path) == contents(accelerator.path)
    assert Accelerator.load(accelerator.path) == accelerator
    other = emit_accelerator(graph, folding, tmp_path / "other")
    assert other.digest != accelerator.digest


def test_the_folder_is_complete(accelerator):
    files = contents(accelerator.path)
    listed = {*accelerator.sources, *accelerator.images, "files.f", "manifest.json"}
    assert set(files) == listed
    assert files["files.f"].decode().split() == list(accelerator.sources)
    core = files["finnspect_core.sv"].decode()
    for image in accelerator.images:
        assert image.rsplit("_p0", 1)[0].rsplit("_u0", 1)[0] in core
    assert str(accelerator.path) not in core


def test_manifest_describes_every_stream(accelerator, graph):
    by_net = {stream.net: stream for stream in accelerator.streams}
    core = (accelerator.path / "finnspect_core.sv").read_text()
    for net, stream in by_net.items():
        assert f"wire [{stream.width - 1}:0] {net}_tdata;" in core
        assert stream.beats * stream.elements == graph.tensors[stream.tensor].size * stream.repeat
    window = by_net["conv2_win"]
    assert (window.elements, window.repeat, window.layer) == (12, 4, "conv2_swg")
    assert accelerator.input_elements == 2
    assert accelerator.frame_bytes == 128
    assert accelerator.classes == 6
    assert accelerator.bound.cycles == max(accelerator.manifest["cycles"].values())


def test_width_converters_join_unequal_neighbours(accelerator):
    dwcs = {
        i["name"]: (i["params"]["IN_WIDTH"], i["params"]["OUT_WIDTH"])
        for i in accelerator.manifest["instances"]
        if i["module"] == "fs_dwc"
    }
    bits = {s.tensor: s.dtype.bits for s in accelerator.streams}["conv3_out"]
    assert dwcs == {
        "u_conv0_out_dwc0": (16, 48),  # PE 4 to PE 6 by way of 12
        "u_conv0_out_dwc1": (48, 24),
        "u_pool1_out_dwc0": (24, 48),
        "u_conv3_out_dwc1": (3 * bits, bits),
    }


def test_options_reach_the_hardware(accelerator):
    modules = {i["name"]: i for i in accelerator.manifest["instances"]}
    assert modules["u_conv2_out_fifo"]["params"]["DEPTH"] == 16
    assert modules["u_conv2_mvau"]["params"]["MUL_STYLE"] == "dsp"


@pytest.mark.parametrize(
    "options",
    [{"fifo_depths": {"nothing": 4}}, {"fifo_depths": {"conv2_out": 1}}, {"mul_styles": {"pool1": "dsp"}}],
)
def test_bad_options_are_refused(graph, folding, tmp_path, options):
    with pytest.raises(ConfigError):
        emit_accelerator(graph, folding, tmp_path / "acc", EmitOptions(**options))
    assert list(tmp_path.iterdir()) == []


def test_generated_rtl_lints(accelerator):
    lint_all(accelerator)


@pytest.mark.parametrize("seed", range(6))
def test_random_cores_lint(tmp_path, seed):
    graph = random_graph(seed)
    folding = full_folding(graph) if seed == 0 else random_folding(graph, seed)
    lint_all(emit_accelerator(graph, folding, tmp_path / "acc"))


def test_lint_does_find_faults(accelerator, tmp_path):
    for name, data in contents(accelerator.path).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    core = tmp_path / "finnspect_core.sv"
    core.write_text(core.read_text().replace(".IN_WIDTH(16)", ".IN_WIDTH(24)"))
    with pytest.raises(Exception, match="WIDTH"):
        lint_all(Accelerator.load(tmp_path))


def test_library_closure_lists_leaves_first(tmp_path):
    (tmp_path / "fs_a.sv").write_text("module fs_a; fs_b u_b(); // fs_d\nendmodule")
    (tmp_path / "fs_b.sv").write_text("module fs_b; fs_c u_c(); endmodule")
    (tmp_path / "fs_c.sv").write_text("module fs_c; endmodule")
    (tmp_path / "fs_d.sv").write_text("module fs_d; endmodule")
    assert [p.stem for p in library_closure({"fs_a", "fs_c"}, tmp_path)] == ["fs_c", "fs_b", "fs_a"]


def test_a_failure_leaves_the_old_folder(graph, folding, tmp_path, monkeypatch):
    old = emit_accelerator(graph, folding, tmp_path / "acc")
    before = contents(old.path)
    real, count = Path.write_text, 0

    def failing(self, *args, **kwargs):
        nonlocal count
        count += 1
        if count == 5:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", failing)
    with pytest.raises(OSError, match="No space"):
        emit_accelerator(graph, full_folding(graph), tmp_path / "acc")
    assert contents(old.path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["acc"]


def test_no_accelerator_is_an_error(tmp_path):
    with pytest.raises(PackageError, match="no accelerator"):
        Accelerator.load(tmp_path)
    (tmp_path / "manifest.json").write_text(
        json.dumps({"format": "finnspect-accelerator", "format_version": 99})
    )
    with pytest.raises(PackageError, match="version 99"):
        Accelerator.load(tmp_path)


# -- refusals ------------------------------------------------------------------------------------


def refused(
    graph: DataflowGraph, tmp_path: Path, node: str, reason: str, folding: Folding | None = None
) -> None:
    with pytest.raises(UnsupportedModelError, match=reason) as caught:
        emit_accelerator(graph, folding or full_folding(graph), tmp_path / "acc")
    assert caught.value.node == node
    assert not (tmp_path / "acc").exists()


def test_forks_of_windows_are_refused(graph, tmp_path):
    last = graph.layer("conv3_mvau")
    twin = replace(last, name="twin", outputs=("twin_out",))
    tensors = graph.tensors | {"twin_out": replace(graph.tensors[last.output], name="twin_out")}
    forked = replace(graph, layers=(*graph.layers, twin), tensors=tensors)
    refused(forked, tmp_path, "twin", "nothing reads its output")
    summed = Add("sum", (last.output, "twin_out"), ("total",), (1, 1), last.acc_dtype)
    forked = replace(
        forked,
        layers=(*forked.layers, summed),
        tensors=tensors | {"total": replace(graph.tensors[last.output], name="total")},
        output="total",
    )
    folding = Folding.of(
        full_folding(forked).to_json()
        | {name: {"PE": 3, "SIMD": 8} for name in ("conv3_mvau", "twin")}
        | {"conv3_swg": {"SIMD": 8}}
    )
    refused(forked, tmp_path, "conv3_swg", "read by 'conv3_mvau', 'twin'", folding)


def test_a_fork_for_each_tensor_with_several_readers(tmp_path):
    dag = Dag((6, 6, 4), 1)
    u4 = IntType(4, False)
    stem = dag.conv("pixels", 4, out=u4)
    left = dag.conv(stem, 4, out=u4)
    twice = dag.add(left, left, out=u4)
    joined = dag.concat(dag.add(twice, stem, out=u4), stem)
    graph = dag.graph(dag.dense(joined, 3))
    folding = dag_folding(graph, max)
    made = emit_accelerator(graph, folding, tmp_path / "acc")
    modules = [each["module"] for each in made.manifest["instances"]]
    forks = {each["name"]: each for each in made.manifest["instances"] if each["module"] == "fs_fork"}
    assert {name: each["params"]["N"] for name, each in forks.items()} == {
        f"u_{stem}_fork": 3,
        f"u_{left}_fork": 2,
    }
    # the ways round a convolution hold what it holds; both inputs of `twice` come from one fork
    added, joined = (layer.name for layer in graph.layers[-4:-2])
    assert set(made.manifest["fifo_depths"]) == {f"{stem}:{added}", f"{stem}:{joined}"}
    assert modules.count("fs_fifo") == len(made.manifest["fifo_depths"])
    lint_all(made)


def test_other_inputs_than_uint8_are_refused(graph, tmp_path):
    tensors = graph.tensors | {"pixels": Tensor("pixels", (8, 8, 2), IntType(8, True))}
    refused(replace(graph, tensors=tensors), tmp_path, "pixels", "INT8, the hardware takes UINT8")


def test_matvecs_need_a_window(tmp_path):
    graph = make_graph((1, 1, 4), [dense(2)])
    (window, matvec) = graph.layers
    bare = replace(graph, layers=(replace(matvec, inputs=("pixels",)),), tensors=graph.tensors)
    refused(bare, tmp_path, "conv0_mvau", "no sliding window")
    assert window.kernel == (1, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weight_dtype": IntType(1, True)}, "weights are INT1"),
        ({"weight_dtype": IntType(9, True)}, "weights are INT9"),
        ({"weight_dtype": IntType(4, False)}, "weights are UINT4"),
        ({"activation": Staircase(np.zeros((8, 16), np.int64), 0)}, "16 steps, its output 4 bits"),
        ({"activation": Staircase(np.zeros((8, 0), np.int64), 0)}, "0 steps"),
    ],
)
def test_widths_that_the_hardware_does_not_have_are_refused(graph, tmp_path, change, reason):
    layers = [replace(x, **change) if x.name == "conv2_mvau" else x for x in graph]
    refused(replace(graph, layers=tuple(layers)), tmp_path, "conv2_mvau", reason)


def test_windows_of_padding_alone_are_refused(graph, tmp_path):
    layers = [replace(x, pad=(3, 0, 0, 0)) if x.name == "conv0_swg" else x for x in graph]
    refused(replace(graph, layers=tuple(layers)), tmp_path, "conv0_swg", "padding")


def test_logits_beyond_32_bits_are_refused(tmp_path):
    graph = make_graph((2, 2, 1), [dense(2)])
    wide = IntType(33, True)
    layers = (graph.layers[0], replace(graph.layers[1], acc_dtype=wide))
    tensors = graph.tensors | {graph.output: Tensor(graph.output, (1, 1, 2), wide)}
    refused(replace(graph, layers=layers, tensors=tensors), tmp_path, "conv0_mvau", "33 bits")


def test_folding_is_checked(graph, tmp_path):
    with pytest.raises(ConfigError, match="'pool1'"):
        emit_accelerator(
            graph, Folding.of(full_folding(graph).to_json() | {"pool1": {"PE": 5}}), tmp_path / "acc"
        )


def test_weights_in_images_are_the_graphs(accelerator, graph):
    text = (accelerator.path / "mem" / "conv2_mvau_weights.mem").read_text().split()
    layer = graph.layer("conv2_mvau")
    assert len(text) == (8 // 2) * (layer.MW // 12)
    word = int(text[9], 16)  # nf 1, sf 0: rows 2 and 3, columns 0 to 11
    fields = [(word >> (4 * i)) & 15 for i in range(24)]
    signed = np.array([f - 16 if f > 7 else f for f in fields]).reshape(2, 12)
    assert np.array_equal(signed, layer.weights[2:4, :12])


def test_choose_folding_can_be_emitted(graph, tmp_path):
    emit_accelerator(graph, choose_folding(graph, 5000), tmp_path / "acc")


def test_generated_rtl_is_read_by_yosys(accelerator, tmp_path):
    for name, data in contents(accelerator.path).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    log = run_yosys(
        tmp_path,
        [read_slang(accelerator.sources, "finnspect_core"), "hierarchy -check -top finnspect_core", "stat"],
    )
    assert re.search(r"^\s+[1-9]\d* +\S*mem", log, flags=re.MULTILINE)
