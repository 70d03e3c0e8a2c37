"""A build that fails leaves a report wherever it fails: before any work, in its training, in each stage."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from finnspect.cli import run
from finnspect.config import DEFAULT_PACKAGE
from finnspect.errors import FlowError, TimingError, VerificationError
from finnspect.flow import BuildRequest, build
from finnspect.package import sha256_file
from finnspect.report.model import failed_schema
from finnspect.toolchains import registry
from nets import QonnxWriter, random_qonnx


def _read(root: Path) -> tuple[dict, str]:
    """Return report and page of a failure, once they are what they should be."""
    document = json.loads((root / "report.failed" / "report.json").read_text())
    jsonschema.validate(document, json.loads(failed_schema()))
    page = (root / "report.failed" / "report.html").read_text()
    assert document["error"] in page and "What to do" in page
    return document, page


@pytest.mark.parametrize(
    ("arguments", "where", "stage", "error", "part"),
    [
        (["--board", "pynq"], "", "refused", "ConfigError", "did you mean pynq-z2"),
        (["--package", "nope", "--board", "ulx3s-85f"], "", "refused", "ConfigError", "unknown package"),
        (["--board", "ulx3s-85f", "--toolchain", "vivado"], f"{DEFAULT_PACKAGE}-ulx3s-85f", "refused",
         "ConfigError", "does not serve the board"),
        (["--board", "pynq-z2", "--toolchain", "none"], f"{DEFAULT_PACKAGE}-pynq-z2", "refused", "ToolError",
         "g++"),
    ],
)  # fmt: skip
def test_what_is_refused_before_any_work_is_reported(
    tmp_path, monkeypatch, capsys, arguments, where, stage, error, part
):
    if error == "ToolError":
        monkeypatch.setenv("PATH", str(tmp_path))  # no compiler, whatever this machine has
    out = tmp_path / "out"
    assert run(["build", *arguments, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert "a report that says where and why" in said
    document, page = _read(out / where)
    assert (document["stage"], document["error"]) == (stage, error)
    assert part in document["message"] + document["remedy"]
    assert "was refused before any work" in page
    assert document["asked"]["board"] in page
    assert run(["report", str(out / where)]) == 0
    assert "was refused before any work" in capsys.readouterr().out.replace("\n", " ")


def test_where_no_report_can_be_written_the_error_alone_is_said(tmp_path, capsys):
    (tmp_path / "out").write_text("a file, no folder")
    assert run(["build", "--board", "pynq", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "unknown board 'pynq'" in said and "Traceback" not in said and "where and why" not in said


def test_the_layer_that_a_message_names_is_marked(small_build, tmp_path):
    layer = next(each.name for each in small_build.result.report.layers if each.weight_type)
    folding = {each.name: {} for each in small_build.result.report.layers}
    for each in small_build.result.report.layers:
        folding[each.name] = {k: v for k, v in (("PE", each.pe), ("SIMD", each.simd)) if v}
    folding[layer]["PE"] = 1000
    (tmp_path / "folding.json").write_text(json.dumps(folding))
    document, page = _fails(small_build, tmp_path, FlowError, folding=tmp_path / "folding.json")
    assert (document["stage"], document["layer"]) == ("folding", layer)
    assert 'class="node failed"' in page and f"about <strong>{layer}</strong>" in page


def test_a_training_that_cannot_begin_is_reported(tmp_path, capsys):
    out = tmp_path / "out"
    lost = ["--dataset", "image-folder", "--data", str(tmp_path / "nothing"), "--board", "ulx3s-85f"]
    assert run(["build", *lost, "--toolchain", "none", "--out", str(out)]) == 1
    capsys.readouterr()
    document, page = _read(out)
    assert (document["stage"], document["error"]) == ("training", "DataError")
    assert document["asked"] == {
        **{"dataset": "image-folder", "model": "cnv_w4a4"},
        **{"board": "ulx3s-85f", "toolchain": "none"},
    }
    assert "failed in its training" in page and "image-folder on ulx3s-85f" in page


def _fails(small_build, tmp_path, kind, **changes) -> tuple[dict, str]:
    """Build again, and return the report of how that failed."""
    half = small_build.folder
    shutil.copytree(half / "out", tmp_path / "out")
    request = BuildRequest(str(half / "package"), "ulx3s-85f", "none", out=tmp_path / "out")
    with pytest.raises(kind):
        build(replace(request, **changes))
    return _read(tmp_path / "out" / "tiny-test-ulx3s-85f")


def test_a_clock_that_is_missed_is_reported_with_the_tools_log(small_build, tmp_path, monkeypatch):
    def missed(job):
        (job.out_dir / "nextpnr.log").write_text("placing\nERROR: Max frequency for clock: 61.2 MHz (FAIL)\n")
        raise TimingError("61.2 MHz of 75 MHz", "ask for a lower clock, with clock_mhz")

    monkeypatch.setitem(registry.TOOLCHAINS, "none", replace(registry.TOOLCHAINS["none"], build=missed))
    config = tmp_path / "slow.toml"
    config.write_text("clock_mhz = 40\n")
    document, page = _fails(small_build, tmp_path, TimingError, config=config)
    assert (document["stage"], document["error"]) == ("bitstream", "TimingError")
    assert document["logs"][0]["lines"][-1] == "ERROR: Max frequency for clock: 61.2 MHz (FAIL)"
    assert "61.2 MHz of 75 MHz" in page and "ask for a lower clock" in page and "(FAIL)" in page
    assert document["earlier"] and "An earlier build left a whole report" in page
    assert {"frontend", "folding", "rtl", "simulation"} <= {each["name"] for each in document["stages"]}


def test_a_simulation_that_differs_is_reported_with_its_layer(small_build, tmp_path, monkeypatch):
    def differs(*_arguments, **_more):
        raise VerificationError("rtl vs reference", layer, 3, (0, 1), 4, 5)

    layer = small_build.result.report.layers[1].name
    monkeypatch.setattr("finnspect.verify.verify_simulation", differs)
    config = tmp_path / "fewer.toml"
    config.write_text("golden_images = 1\n")
    document, page = _fails(small_build, tmp_path, VerificationError, config=config)
    assert (document["stage"], document["layer"]) == ("simulation", layer)
    assert 'class="node failed"' in page and "got 4, expected 5" in page


def test_a_layer_that_cannot_be_compiled_is_reported_by_its_node(small_build, tmp_path):
    package = tmp_path / "package"
    shutil.copytree(small_build.folder / "package", package)
    shape = random_qonnx(3).shape
    net = QonnxWriter(shape).pixels().conv(4).norm().relu().quant(4).flatten().dense(3).then("Softmax")
    net.save(package / "model.qonnx.onnx")
    info = json.loads((package / "package.json").read_text())
    info["sha256"]["model.qonnx.onnx"] = sha256_file(package / "model.qonnx.onnx")
    (package / "package.json").write_text(json.dumps(info))
    assert run(["build", "--package", str(package), "--board", "ulx3s-85f", "--toolchain", "none",
                "--out", str(tmp_path / "out")]) == 1  # fmt: skip
    document, page = _read(tmp_path / "out" / "tiny-test-ulx3s-85f")
    assert (document["stage"], document["error"]) == ("frontend", "UnsupportedModelError")
    assert document["layer"] and document["layer"] in page and "Softmax" in document["message"]
    assert document["stages"] == [] and document["edges"] == []
