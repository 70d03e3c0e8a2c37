"""A build writes its page, also where it fails; a build that goes well afterwards takes the failure away."""

import json
import shutil

import jsonschema
from finnspect.cli import run
from finnspect.report.model import failed_schema, load_report, schema


def test_a_failure_is_reported_with_stage_reason_and_remedy(small_build):
    error, files = small_build.error, small_build.failed
    document = json.loads(files["report.json"])
    jsonschema.validate(document, json.loads(failed_schema()))
    assert document["stage"] == "folding"
    assert (document["message"], document["remedy"]) == (error.message, error.remedy)
    assert document["error"] == type(error).__name__
    assert [stage["name"] for stage in document["stages"]] == ["frontend"]
    assert document["edges"][0]["source"] == "input"
    assert "It failed in stage folding" in files["report.html"]


def test_the_next_build_takes_it_away_and_writes_a_whole_report(small_build):
    result = small_build.result
    assert not (result.folder / "report.failed").exists()
    assert not (result.folder.parent / "report.failed").exists()
    document = json.loads(result.report_path.read_text())
    jsonschema.validate(document, json.loads(schema()))
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


def test_the_page_says_how_to_make_the_build_again(small_build, tmp_path):
    """Run what the report says, on the files that it holds: the hardware is the same to its identity."""
    report = small_build.result.report
    lines = report.detail.reproduce
    command = next(line for line in lines if line.startswith("finnspect build"))
    config, folding = lines.index("build.toml:"), lines.index("folding.json:")
    (tmp_path / "build.toml").write_text("\n".join(lines[config + 1 : folding]) + "\n")
    (tmp_path / "folding.json").write_text(lines[folding + 1])
    options = [
        str(small_build.folder / "package")
        if word == "PACKAGE"
        else str(tmp_path / word)
        if (tmp_path / word).is_file()
        else word
        for word in command.split()[1:]
    ]
    # The stages are found finished where their inputs are the same.
    shutil.copytree(small_build.folder / "out", tmp_path / "out")
    assert run([*options, "--out", str(tmp_path / "out")]) == 0
    again = load_report(tmp_path / "out" / small_build.result.folder.name)
    assert again.board.build_id == report.board.build_id
    assert {each.name: (each.pe, each.simd) for each in again.layers} == {
        each.name: (each.pe, each.simd) for each in report.layers
    }
