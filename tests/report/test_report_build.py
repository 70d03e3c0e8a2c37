"""A build writes its page, also where it fails; a build that goes well afterwards takes the failure away."""

import json

import jsonschema
import pytest
from finnspect.errors import FlowError
from finnspect.flow import BuildRequest, build
from finnspect.paths import ROOT
from nets import make_package, random_qonnx


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    make_package(folder / "package", random_qonnx(3))
    request = BuildRequest(str(folder / "package"), "ulx3s-85f", "none", out=folder / "out")
    impossible = BuildRequest(
        str(folder / "package"), "ulx3s-85f", "none", out=folder / "out", target_fps=1e9
    )
    with pytest.raises(FlowError) as caught:
        build(impossible)
    failed = {
        file.name: file.read_text()
        for file in (folder / "out" / "tiny-test-ulx3s-85f" / "report.failed").iterdir()
    }
    return caught.value, failed, build(request)


def test_a_failure_is_reported_with_stage_reason_and_remedy(built):
    error, files, _ = built
    document = json.loads(files["report.json"])
    jsonschema.validate(document, json.loads((ROOT / "docs" / "failed_report.schema.json").read_text()))
    assert document["stage"] == "folding"
    assert (document["message"], document["remedy"]) == (error.message, error.remedy)
    assert document["error"] == type(error).__name__
    assert [stage["name"] for stage in document["stages"]] == ["frontend"]
    assert document["edges"][0]["source"] == "input"
    assert "Stopped in stage folding" in files["report.html"]


def test_the_next_build_takes_it_away_and_writes_a_whole_report(built):
    *_, result = built
    assert not (result.folder / "report.failed").exists()
    document = json.loads(result.report_path.read_text())
    jsonschema.validate(document, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    detail = document["detail"]
    layers = [layer["name"] for layer in document["layers"]]
    assert detail["edges"][0]["source"] == "input" and detail["edges"][-1]["target"] == "output"
    assert {edge["source"] for edge in detail["edges"][1:]} <= set(layers)
    bound = document["performance"]["folding_bound"]["value"]
    slowest = detail["bottleneck"]["layers"]
    assert {each["name"] for each in document["layers"] if each["cycles_bound"]["value"] == bound} == set(
        slowest
    )
    if detail["bottleneck"]["cycles"]:
        assert detail["bottleneck"]["cycles"]["value"] < bound
    assert detail["timing"]["slack"] is None and detail["cells"] == {}
    text = result.report_path.with_suffix(".html").read_text()
    assert "no bitstream on this road, a deploy zip without one" in text and 'id="bottleneck"' in text
