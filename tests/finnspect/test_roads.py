"""Every road to a PYNQ board from the command line: one package, one folder, one format of zip.

The model is real and so is its simulation; Vivado, the open place and route and FINN's builder are stand-ins.
"""

from __future__ import annotations

import json
import os
from unittest.mock import Mock

import numpy as np
import pytest
from finn_nets import install_finn
from finnspect.cli import run
from finnspect.deploy import read_deploy
from finnspect.flow import find_deploy
from finnspect.report import load_report
from finnspect.stages import read_marker
from finnspect_driver.connect import open_backend
from finnspect_driver.deployzip import read_deploy as drivers_read
from finnspect_driver.devices.base import Device
from nets import make_package, random_qonnx
from xc7_tools import install_openxc7, install_vivado

BEFORE = ("frontend", "folding", "rtl", "simulation")
ROADS = ("none", "vivado", "openxc7", "finn")


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    """Build by one road after the other into one folder; return it, and what each left."""
    root = tmp_path_factory.mktemp("roads")
    make_package(root / "package", random_qonnx(2))
    built, finns = {}, ""
    with pytest.MonkeyPatch.context() as patch:
        search = os.environ["PATH"]
        patch.setenv("OPENXC7", str(install_openxc7(root / "openxc7")))
        for road in ROADS:
            if road == "vivado":
                patch.setenv("VIVADO", str(install_vivado(root / "vivado")))
            options = ["--package", root / "package", "--out", root / "out", "--board", "pynq-z2"]
            command = ["build", "--toolchain", road, *map(str, options)]
            if road == "finn":
                patch.delenv("XILINX_VIVADO", raising=False)
                assert run(command) == 1, "without Vivado"
                finns = (root / "out" / "tiny-test-pynq-z2" / "finn" / "stage.json").read_text()
                install_finn(root, patch, search)
            assert run(command) == 0, road
            folder = root / "out" / "tiny-test-pynq-z2"
            path = root / f"{road}.zip"
            path.write_bytes(find_deploy(folder).read_bytes())
            keys = {stage: read_marker(folder / stage)["key"] for stage in (*BEFORE, "bitstream")}
            built[road] = path, load_report(folder), keys
    return root, built, finns


def test_another_road_builds_only_what_is_its_own(roads):
    _, built, _ = roads
    keys = [keys for _, _, keys in built.values()]
    for stage in BEFORE:
        assert len({each[stage] for each in keys}) == 1, stage
    assert len({each["bitstream"] for each in keys}) == len(ROADS)


def test_the_folder_of_finns_build_stays_and_is_not_made_twice(roads):
    root, built, without_vivado = roads
    folder = root / "out" / "tiny-test-pynq-z2" / "finn"
    assert (folder / "stage.json").read_text() == without_vivado
    assert {"model.onnx", "run_finn.py", "README.txt", "reference"} <= {
        path.name for path in folder.iterdir()
    }
    assert not (folder / "output").exists()
    assert "finn" in [stage.name for stage in built["finn"][1].stages]


def test_the_zips_share_one_format_and_name_their_shell(roads):
    _, built, _ = roads
    found = {road: read_deploy(path) for road, (path, _, _) in built.items()}
    shells = {road: info.shell for road, (info, _) in found.items()}
    assert shells == dict.fromkeys(ROADS, "finnspect-axi") | {"finn": "finn-iodma"}
    documents = {road: json.loads(contents["accelerator.json"]) for road, (_, contents) in found.items()}
    assert len({tuple(sorted(each)) for each in documents.values()}) == 1, "the same fields on every road"
    own = {"shell", "axi", "finn", "bitstream", "build_id", "clock_mhz", "cycles_per_frame"}
    for name in documents["none"].keys() - own:
        assert len({json.dumps(each[name]) for each in documents.values()}) == 1, name
    bits = {"bitstream/pynq-z2.bit", "bitstream/pynq-z2.hwh"}
    common = {name for name in found["none"][1] if not name.startswith("core/")}
    for road in ("vivado", "openxc7", "finn"):
        names = {name for name in found[road][1] if not name.startswith("core/")}
        assert names == common | bits, road
        for name in common - {"accelerator.json", "manifest.json"}:
            assert found[road][1][name] == found["none"][1][name], (road, name)
    assert [road for road in ROADS if any(n.startswith("core/") for n in found[road][1])] == [
        *("none", "vivado", "openxc7")
    ], "FINN's hardware is not the core that is simulated"


def test_the_driver_takes_the_back_end_that_the_zip_names(roads, monkeypatch):
    _, built, _ = roads
    for name in ("finn_iodma.FinnIodma", "finnspect_axi.FinnspectAxi"):
        monkeypatch.setattr(f"finnspect_driver.backends.{name}", lambda *_args, name=name: name)
    for road, (path, _, _) in built.items():
        opened = open_backend(drivers_read(path), Mock(spec=Device), 1, 1.0)
        assert opened == ("finn_iodma.FinnIodma" if road == "finn" else "finnspect_axi.FinnspectAxi"), road


def test_the_reports_say_what_each_figure_is(roads):
    _, built, _ = roads
    speed = {road: report.performance for road, (_, report, _) in built.items()}
    assert {road: each.cycles_per_frame.kind for road, each in speed.items()} == dict.fromkeys(
        ROADS, "simulated"
    ) | {"finn": "estimated"}
    assert [road for road, each in speed.items() if each.fmax is None] == ["none"]
    assert any("not timed" in note for note in built["openxc7"][1].notes)
    assert all(layer.cycles_simulated is None for layer in built["finn"][1].layers)
    assert all(layer.cycles_simulated for layer in built["vivado"][1].layers)


def test_another_folding_compiles_nothing_again(roads, tmp_path):
    root, _, _ = roads
    folder = root / "out" / "tiny-test-pynq-z2"
    before = {stage: (folder / stage / "stage.json").read_bytes() for stage in BEFORE}
    layers = np.array([layer.pe or 0 for layer in load_report(folder).layers])
    (tmp_path / "small.toml").write_text("target_cycles = 20000\n")
    options = ["--package", root / "package", "--out", root / "out", "--board", "pynq-z2"]
    options += ["--toolchain", "none", "--config", tmp_path / "small.toml"]
    assert run(["build", *map(str, options)]) == 0
    after = {stage: (folder / stage / "stage.json").read_bytes() for stage in BEFORE}
    assert [stage for stage in BEFORE if after[stage] != before[stage]] == ["folding", "rtl", "simulation"]
    assert np.any(np.array([layer.pe or 0 for layer in load_report(folder).layers]) < layers)


def test_a_zip_of_an_earlier_road_is_not_given_out(roads, monkeypatch, capsys):
    """After a build that makes none, the zip that lies there is another design's."""
    root, _, _ = roads
    folder = root / "out" / "tiny-test-pynq-z2"
    marker = json.loads((folder / "bitstream" / "stage.json").read_text())
    marker["inputs"]["toolchain"], marker["digest"] = "synth", "0" * 64
    monkeypatch.setattr(
        "finnspect.flow.read_marker",
        lambda path: marker if path.name == "bitstream" else read_marker(path),
    )
    assert run(["deploy", str(folder), "--output", str(root / "copy.zip")]) == 1
    assert "with toolchain synth, made none" in capsys.readouterr().err
    assert not (root / "copy.zip").exists()
