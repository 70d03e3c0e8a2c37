"""The page of a report: what it holds, and how a real browser takes it at two widths and on paper."""

import json
import os
import re
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pytest
import sample_report as sample
from chromium_bench import chromium
from finnspect.cli import run
from finnspect.paths import ROOT
from finnspect.report.compare import compare, comparison_page
from finnspect.report.failed import write_failed
from finnspect.report.html import KINDS, page, verdict
from finnspect.report.model import Report, failed_schema
from PIL import Image

WIDE, NARROW = (1280, 900), (375, 780)
SECTIONS = {
    "report": [
        *("summary", "network", "layers", "resources", "bottleneck", "timing", "floorplan"),
        *("accuracy", "finn", "reproduce"),
    ],
    "plain": ["summary", "network", "layers", "bottleneck", "timing", "accuracy"],
    "failed": ["summary", "why", "remedy", "stages", "network", "logs", "reproduce"],
    "compare": ["summary", "fronts", "table", "verdicts", "folding"],
}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Ids(HTMLParser):
    """Collects identifiers, references, elements and pictures without a description."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.described, self.pictures, self.tags = [], [], 0, set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "svg":
            self.pictures += 1
            assert attrs["role"] == "img"
            self.described += attrs["aria-labelledby"].split()
        if tag == "img":
            assert attrs["alt"]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    root = tmp_path_factory.mktemp("builds") / "block"
    sample.write_build(root)
    return root


@pytest.fixture(scope="module")
def pages(build):
    """The four pages, as files."""
    folder = build.parent
    report = Report.model_validate(sample.document())
    made = {"report": build / "report" / "report.html"}
    made["report"].write_text(page(report, build / "report"))
    bare = sample.document() | {"detail": None, "test_set": None}
    bare["package"]["metrics"] = {}
    for layer in bare["layers"]:  # as where the hardware is not the core that was simulated
        layer |= {"resources": {}, "cycles_simulated": None, "stalled_in_cycles": None}
    made["plain"] = folder / "plain.html"
    made["plain"].write_text(page(Report.model_validate(bare)))
    made["failed"] = write_failed(sample.failed_report(), folder / "failed")
    for name, accuracy, fps, lut in (("slow", 0.99, 900.0, 2500), ("beaten", 0.98, 800.0, 3600)):
        other = sample.document(name, accuracy=accuracy, fps=fps, lut=lut)
        other["layers"][1]["pe"] = 2
        (folder / f"{name}.json").write_text(json.dumps(other))
    found = compare([build, folder / "slow.json", folder / "beaten.json"])
    made["compare"] = folder / "compare.html"
    made["compare"].write_text(comparison_page(found, "2026-01-01"))
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.mark.parametrize("name", SECTIONS)
def test_a_page_needs_nothing_else_and_describes_its_pictures(pages, name):
    text = pages[name].read_text()
    found = Ids(text)
    assert not found.tags & {"script", "link", "iframe", "object"} - {"link"}
    assert re.findall(r'<link[^>]*href="([^"]*)"', text) == ["data:,"]
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text), "something outside the file is named"
    assert not re.search(r"url\((?!#|\"?data:)", text)
    assert len(found.ids) == len(set(found.ids)), "an identifier is there twice"
    assert set(SECTIONS[name]) <= set(found.ids)
    assert found.pictures >= (2 if name == "compare" else 1)
    assert set(found.described) <= set(found.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(found.ids)
    assert text.count("<title") == text.count("<desc") + 1  # the page has a title itself


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_it_is_shown_without_complaint_request_or_overflow(pages, browser, name, size, tmp_path):
    browser.complaints.clear()
    browser.requested.clear()
    browser.size(*size)
    address = pages[name].as_uri()
    browser.go(address)
    assert browser.value(OVERFLOW) == 0, "the page is wider than the window"
    for section in SECTIONS[name]:
        assert browser.value(f"document.getElementById('{section}').getBoundingClientRect().height") > 30
    assert browser.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert {url for url in browser.requested if not url.startswith("data:")} == {address}
    assert browser.complaints == []
    pixels = np.asarray(Image.open(browser.screenshot(tmp_path / "page.png")).convert("L"))
    assert pixels.shape == (size[1], size[0])
    assert 0.01 < (pixels < 128).mean() < 0.6, "the page shows nothing, or is dark"


def test_the_summary_fits_one_screen_and_paper_hides_the_links(pages, browser):
    browser.size(*WIDE)
    browser.go(pages["report"].as_uri())
    assert browser.value("document.getElementById('summary').getBoundingClientRect().bottom") <= WIDE[1]
    shown = "getComputedStyle(document.querySelector('nav')).display"
    assert browser.value(shown) == "block"
    browser.command("Emulation.setEmulatedMedia", media="print")
    assert browser.value(shown) == "none"
    browser.command("Emulation.setEmulatedMedia", media="")


def test_every_figure_carries_its_kind(pages):
    text = pages["report"].read_text()
    marks = re.findall(r'<span class="fig">[^<]*(<abbr class="kind k-([a-z-]+)")?', text)
    assert len(marks) > 15
    assert all(mark and kind in KINDS for mark, kind in marks)
    assert {kind for _, kind in marks} >= {"estimated", "simulated", "post-route", "measured", "computed"}


def test_the_page_says_what_the_report_says(pages):
    text = pages["report"].read_text()
    assert verdict(Report.model_validate(sample.document())) == (
        "Exact: 0 of 48 logits differ; 75 MHz met; made: bitstream and deploy zip."
    )
    for part in ("98.5 %", "8,138", "0.271 ms", "PE 4 -&gt; 8", "2.5 ns", "data:image/png;base64,", "4,608"):
        assert part in text, part
    assert "block RAM is not timed &lt;b&gt;here&lt;/b&gt;" in text
    plain = pages["plain"].read_text()
    for part in ("says nothing of the placement", "no test set", "figures of the build only"):
        assert part in plain, part


def test_a_missed_clock_and_a_road_without_bitstream_are_said():
    document = sample.document()
    document["performance"]["clock"]["value"] = 99.0
    assert "99 MHz MISSED" in verdict(Report.model_validate(document))
    document["performance"]["fmax"] = None
    document["files"] = {}
    assert verdict(Report.model_validate(document)) == (
        "Exact: 0 of 48 logits differ; 99 MHz asked for, not timed; no bitstream on this road."
    )


def test_the_command_writes_the_page_beside_the_report(build, tmp_path, capsys):
    target = tmp_path / "page.html"
    assert run(["report", str(build), "--html", str(target)]) == 0
    assert f"page: {target}" in capsys.readouterr().out
    assert "data:image/png;base64," in target.read_text()  # the run that the report names
    assert run(["report", str(build)]) == 0
    assert f"page: {build / 'report' / 'report.html'}" in capsys.readouterr().out.replace("\n", "")


def test_without_a_name_the_last_build_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["report"]) != 0
    assert "there is no build in out" in capsys.readouterr().err
    sample.write_build(tmp_path / "out" / "older")
    write_failed(sample.failed_report(), tmp_path / "out" / "newer")
    os.utime(tmp_path / "out" / "older" / "report" / "report.json", (0, 0))
    assert run(["report"]) == 0
    assert "failed in stage simulation" in capsys.readouterr().out


def test_a_failed_build_is_told_before_an_earlier_report(tmp_path, capsys):
    root = tmp_path / "block"
    sample.write_build(root)
    write_failed(sample.failed_report().model_copy(update={"earlier": True}), root)
    assert run(["report", str(root)]) == 0
    said = capsys.readouterr().out
    assert "failed in stage simulation: VerificationError" in said
    assert "remedy: report this" in said
    assert "report.failed/report.html" in said.replace("\n", "")
    assert run(["report", str(root), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = ROOT / "docs" / "failed_report.schema.json"
    assert schema.read_text() == failed_schema()
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert run(["report", str(root / "report" / "report.json")]) == 0
    assert "exactness" in capsys.readouterr().out


def test_the_failed_page_says_where_and_why(pages):
    text = pages["failed"].read_text()
    for part in (
        "Stopped in stage simulation: VerificationError",
        "got 4, expected &lt;5&gt;",
        "report this",
        'class="node failed"',
        "simulation.failed/build/run.log",
    ):
        assert part in text, part
