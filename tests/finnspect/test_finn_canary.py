"""Canary: what each pass makes of a small fixed network, by hash, with the versions it was made with.

When a pin of FINN, qonnx or brevitas moves, this names the version and the first pass whose result changed.
When the change is right: ``python tests/finnspect/test_finn_canary.py`` in the environment, from the root.
"""

import hashlib
import inspect
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from brevitas_nets import brevitas_net, export_brevitas

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pytest
from finn_nets import BOARD
from finnspect.doctor import distribution_version
from finnspect.folding import choose_folding
from finnspect.frontend import load_qonnx, read_network
from finnspect.frontend.compile import compile_qonnx
from finnspect.frontend.execution import quiet
from finnspect.frontend.steps import STEPS, Work
from finnspect.toolchains.finn_builder_config import build_config
from finnspect.toolchains.finn_builder_steps import (
    FOLDING_STEPS,
    NAMING_STEPS,
    finn_builder,
    finn_folding,
    run_step,
)
from nets import QonnxWriter, random_qonnx
from onnx import helper
from qonnx.core.datatype import DataType

RECORD = Path(__file__).parents[1] / "data" / "finn" / "canary.json"
PINNED = ("finn-plus", "qonnx", "brevitas")
#: The network as a file: one that is drawn again may differ in a scale's last bit on another machine.
NETWORK, SEED, CYCLES = RECORD.with_suffix(".onnx"), 9, 3000
#: What brevitas exports is another network; its weights, which torch draws, are floats: not in the hash.
EXPORT, SHAPE = "brevitas.export", (6, 6, 1)
SPECS = [("conv", 4, 3, 1, 1, 4), ("norm",), ("relu", 4), ("pool", 2), ("flatten",), ("dense", 3, 4)]


def describe(model):
    """Return (hash, operators) of a graph: nodes, attributes, types, shapes and integer constants."""
    digest = hashlib.sha256()
    for node in model.graph.node:
        attributes = sorted((a.name, a.SerializeToString(deterministic=True)) for a in node.attribute)
        digest.update(repr((node.op_type, node.domain, attributes)).encode())
        for tensor in (*node.input, *node.output):
            dtype = model.get_tensor_datatype(tensor).name
            digest.update(repr((dtype, model.get_tensor_shape(tensor))).encode())
            constant = model.get_initializer(tensor)
            # Floats may differ in their last bits from machine to machine; integers may not.
            if constant is not None and DataType[dtype].is_integer():
                digest.update(np.round(constant).astype(np.int64).tobytes())
    operators = Counter(node.op_type for node in model.graph.node)
    return digest.hexdigest()[:16], dict(sorted(operators.items()))


def passes(folder):
    """Run the export, the front end's passes and FINN's steps; yield (name, hash, operators) after each."""
    exported = export_brevitas(brevitas_net(SHAPE, SPECS), SHAPE, folder / "exported.onnx")
    yield (EXPORT, *describe(load_qonnx(exported)))
    model = load_qonnx(NETWORK)
    work = Work(model, read_network(model))
    for step in STEPS:
        with quiet():
            step.run(work)
        yield (f"frontend.{step.name}", *describe(work.model))
    classes = [f"class{i}" for i in range(work.network.classes)]
    graph = compile_qonnx(NETWORK, classes, folder / "work").graph
    config = build_config(BOARD, 100.0, folder)
    config.output_dir = str(folder / "output")
    model = work.model
    with finn_builder(folder / "tmp") as steps:
        for name in NAMING_STEPS:
            model = run_step(steps, name, model, config)
            yield (name, *describe(model))
        folding = finn_folding(graph, choose_folding(graph, CYCLES), model)
        config.folding_config_file.write_text(json.dumps(folding))
        for name in FOLDING_STEPS:
            model = run_step(steps, name, model, config)
            yield (name, *describe(model))


def versions():
    return {name: distribution_version(name) for name in PINNED}


def moved(record, found, installed):
    """Return what changed against the record, in words; None where nothing did."""
    pins = [f"{name} {record['versions'].get(name)} -> {installed[name]}" for name in installed
            if installed[name] != record["versions"].get(name)]  # fmt: skip
    names = [name for name, _, _ in found]
    if names != [each["pass"] for each in record["passes"]]:
        return f"the passes are other ones ({', '.join(pins) or 'same pins'}): {names}"
    changed = [
        (each, operators)
        for each, (_, digest, operators) in zip(record["passes"], found, strict=True)
        if digest != each["hash"]
    ]
    if not pins and not changed:
        return None
    text = f"pins moved: {', '.join(pins)}" if pins else "no pin moved"
    if not changed:
        return f"{text}; no pass changed: renew the record"
    first, operators = changed[0]
    return (
        f"{text}; first pass whose result changed: {first['pass']} "
        f"(operators {first['operators']} -> {operators}); changed in all: "
        f"{', '.join(each['pass'] for each, _ in changed)}"
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return list(passes(tmp_path_factory.mktemp("canary")))


def test_every_pass_makes_what_it_made(found):
    change = moved(json.loads(RECORD.read_text()), found, versions())
    assert change is None, change


def test_the_first_changed_pass_and_the_version_are_named(found):
    record = json.loads(RECORD.read_text())
    names = [each["pass"] for each in record["passes"]]
    assert names[0] == EXPORT
    assert len(names) == 1 + len(STEPS) + len(NAMING_STEPS) + len(FOLDING_STEPS)
    record["passes"][4]["hash"] = record["passes"][7]["hash"] = "0"
    record["versions"]["finn-plus"] = "1.0.0"
    change = moved(record, found, versions())
    assert f"finn-plus 1.0.0 -> {versions()['finn-plus']}" in change
    assert f"first pass whose result changed: {names[4]} " in change
    assert change.endswith(f"{names[4]}, {names[7]}")


def test_a_pin_that_moved_without_effect_is_said(found):
    record = json.loads(RECORD.read_text())
    record["versions"]["qonnx"] = "0.1"
    assert "no pass changed: renew" in moved(record, found, versions())


def test_the_hash_sees_types_constants_and_attributes():
    model = QonnxWriter((4, 4, 1)).pixels().model()
    before, operators = describe(model)
    assert operators == {"Mul": 1}
    node = model.graph.node[0]
    model.set_tensor_datatype(node.input[1], DataType["UINT4"])
    model.set_initializer(node.input[1], np.array(2.0, np.float32))
    second, _ = describe(model)
    model.set_initializer(node.input[1], np.array(3.0, np.float32))
    third, _ = describe(model)
    node.attribute.append(helper.make_attribute("x", 1))
    assert len({before, second, third, describe(model)[0]}) == 4


def test_what_the_run_script_calls_is_there():
    """The script runs where no test of ours does: FINN's functions must take what it hands them."""
    from finn.interface import run_finn, settings

    assert not inspect.signature(run_finn.ensure_ld_library_path).parameters
    inspect.signature(run_finn.prepare_finn).bind(object(), accept_defaults=True, batch=True)
    inspect.signature(settings.FINNSettings.init).bind(flow_config=Path("x"), finn_build_dir="y")
    with tempfile.TemporaryDirectory() as folder, finn_builder(Path(folder)):
        from finn.builder.build_dataflow import build_dataflow_cfg

        inspect.signature(build_dataflow_cfg).bind(Path("x"), object())


def renew():
    """Write the record, and the network where it is not there."""
    if not NETWORK.is_file():
        random_qonnx(SEED).save(NETWORK)
    with tempfile.TemporaryDirectory() as folder:
        listing = [
            {"pass": name, "hash": digest, "operators": operators}
            for name, digest, operators in passes(Path(folder))
        ]
    RECORD.write_text(json.dumps({"versions": versions(), "passes": listing}, indent=1) + "\n")


if __name__ == "__main__":
    renew()
