"""The report: its schema, its labels, its summaries."""

import io
import json

import jsonschema
import pytest
from finnspect.cli import run
from finnspect.errors import PackageError
from finnspect.paths import ROOT
from finnspect.report import Report, load_report, markdown, print_summary, schema
from finnspect.report.model import Figure
from finnspect.report.summary import number
from rich.console import Console

SCHEMA_FILE = ROOT / "build" / "finnspect" / "report" / "report.schema.json"


def _figure(value, unit="cycles", kind="simulated"):
    return {"value": value, "unit": unit, "kind": kind}


def _document():
    return {
        "finnspect": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "package": {
            "name": "tiny-random",
            "model": "tiny",
            "dataset": "random",
            "classes": ["good", "bad"],
            "input_shape": [4, 4, 1],
            "digest": "0" * 64,
            "data_sha256": "0" * 64,
            "metrics": {"test_accuracy": 0.5},
        },
        "board": {
            "name": "ulx3s-85f",
            "part": "LFE5U-85F",
            "toolchain": "ecp5",
            "shell": "uart",
            "clock_mhz": 50.0,
            "seed": 1,
            "build_id": "0" * 32,
        },
        "exactness": {
            "images": 8,
            "logits": 16,
            "mismatches": 0,
            "qonnx_mismatches": 0,
            "logit_ties": 1,
            "changed_predictions": 0,
            "correct": None,
            "thresholds": 120,
            "thresholds_changed": 3,
            "compared": "RTL with reference",
        },
        "test_set": {
            "images": 100,
            "accuracy": _figure(0.985, "ratio", "measured"),
            "changed_predictions": 2,
            "ties": 1,
            "compared": "reference with torch",
        },
        "performance": {
            "folding_bound": _figure(1000, kind="estimated"),
            "cycles_per_frame": _figure(1010.5),
            "latency": _figure(2345),
            "efficiency": _figure(0.9896, "ratio"),
            "fmax": _figure(61.25, "MHz", "post-route"),
            "clock": _figure(50.0, "MHz", "post-route"),
            "fps": _figure(49480.4, "frames/s", "computed"),
        },
        "resources": [
            {"name": "LUT4", "used": _figure(1234, "cells", "post-route"), "available": 83640},
            {"name": "CCU2C", "used": _figure(56, "cells", "post-synthesis")},
        ],
        "layers": [
            {
                "name": "conv0",
                "kind": "matvec",
                "input_shape": [4, 4, 9],
                "output_shape": [4, 4, 8],
                "weight_type": "INT4",
                "input_type": "UINT8",
                "output_type": "UINT4",
                "pe": 2,
                "simd": 1,
                "cycles_bound": _figure(576, kind="estimated"),
                "cycles_simulated": _figure(576.0),
            }
        ],
        "fifos": {
            "count": 2,
            "bits": _figure(768, "bits"),
            "unsized_bits": _figure(4096, "bits", "estimated"),
        },
        "tools": {"yosys": "0.70"},
        "stages": [{"name": "rtl", "seconds": _figure(1.5, "s", "measured"), "key": "0" * 64}],
        "machine": {"platform": "Linux", "cpu_cores": 2},
        "files": {"bitstream": "x.bit"},
    }


@pytest.fixture
def report():
    return Report.model_validate(_document())


def test_the_schema_in_the_repository_is_the_models():
    assert SCHEMA_FILE.read_text() == schema(), (
        f"write it again: .venv/bin/finnspect report --schema > {SCHEMA_FILE.relative_to(ROOT)}"
    )


def test_what_is_written_fits_the_schema_and_is_read_back(report, tmp_path):
    jsonschema.validate(json.loads(report.to_json()), json.loads(SCHEMA_FILE.read_text()))
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.json").write_text(report.to_json())
    assert load_report(tmp_path) == report
    assert load_report(tmp_path / "report" / "report.json") == report


def test_every_figure_says_what_it_is(report):
    def figures(value):
        if isinstance(value, dict):
            if "value" in value:
                yield value
            for item in value.values():
                yield from figures(item)
        elif isinstance(value, list):
            for item in value:
                yield from figures(item)

    found = list(figures(json.loads(report.to_json())))
    assert len(found) == 15
    assert all(figure["unit"] and figure["kind"] for figure in found)
    with pytest.raises(ValueError, match="kind"):
        Figure.model_validate({"value": 1, "unit": "cells"})


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (("1234", "cells", "post-route"), "1,234 (post-route)"),
        (("0.9896", "ratio", "simulated"), "99.0 % (simulated)"),
        (("61.25", "MHz", "post-route"), "61.2 MHz (post-route)"),
        (("0.015", "s", "measured"), "0.015 s (measured)"),
    ],
)
def test_figures_are_written_with_unit_and_kind(figure, text):
    value = float(figure[0]) if "." in figure[0] else int(figure[0])
    assert number(Figure(value=value, unit=figure[1], kind=figure[2])) == text


def test_the_summary_and_the_markdown_hold_the_figures(report):
    stream = io.StringIO()
    print_summary(report, Console(file=stream, width=160))
    for text in (stream.getvalue(), markdown(report)):
        for part in (
            "0 mismatches in 16 logits of 8 images",
            "61.2 MHz (post-route)",
            "1.5 %",
            "conv0",
            "1,234",
        ):
            assert part in text, part


def test_other_files_are_refused(tmp_path, report):
    with pytest.raises(PackageError, match="no report at"):
        load_report(tmp_path)
    (tmp_path / "report.json").write_text('{"format": "something"}')
    with pytest.raises(PackageError, match="is no finnspect-report"):
        load_report(tmp_path)


def test_the_command_prints_writes_and_shows_the_schema(tmp_path, report, capsys):
    (tmp_path / "report.json").write_text(report.to_json())
    assert run(["report", str(tmp_path)]) == 0
    assert "0 mismatches" in capsys.readouterr().out
    assert run(["report", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["package"]["name"] == "tiny-random"
    assert run(["report", str(tmp_path), "--markdown", str(tmp_path / "r.md")]) == 0
    assert (tmp_path / "r.md").read_text() == markdown(report)
    capsys.readouterr()
    assert run(["report", "--schema"]) == 0
    assert capsys.readouterr().out == schema()
