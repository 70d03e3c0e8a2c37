"""The page of a report: what it holds, and how a real browser takes it at two widths and on paper."""

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import finnspect.report
import jsonschema
import numpy as np
import pytest
import sample_report as sample
from chromium_bench import chromium
from finnspect.cli import run
from finnspect.report.compare import compare, comparison_page
from finnspect.report.failed import write_failed
from finnspect.report.html import KINDS, page, verdict
from finnspect.report.model import Report, failed_schema
from PIL import Image

WIDE, NARROW = (1440, 900), (390, 844)
#: Shipped beside the module, so that they are in the wheel.
SCHEMAS = Path(finnspect.report.__file__).parent
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
    # Nothing is left open: what is nested otherwise than written lies elsewhere.
    assert browser.value(
        "[...document.querySelectorAll('section')].every(s => s.parentElement.tagName == 'MAIN')"
    )
    assert browser.value("document.querySelector('footer').parentElement.tagName") == "BODY"
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


#: Pixels that a sheet of A4 has beside its margins, as the page's style has them: upright and across.
UPRIGHT, ACROSS = int((210 - 24) / 25.4 * 96), int((297 - 20) / 25.4 * 96)


def test_on_paper_no_table_is_cut(pages, browser):
    for name, selector, width in (
        ("report", "section:not(#layers, #finn) table, header table, svg, img, pre", UPRIGHT),
        ("report", "#layers table, #finn table", ACROSS),
        ("compare", "svg, pre, #folding table", UPRIGHT),
        ("compare", "#table table", ACROSS),
        ("failed", "table, svg, pre", UPRIGHT),
    ):
        browser.size(width, 900)
        browser.go(pages[name].as_uri())
        browser.command("Emulation.setEmulatedMedia", media="print")
        edges = browser.value(
            f"[...document.querySelectorAll({selector!r})].map(e => e.getBoundingClientRect().right)"
        )
        browser.command("Emulation.setEmulatedMedia", media="")
        assert edges and max(edges) <= width + 1, (name, selector, max(edges))


def test_tables_have_headers_and_pages_a_title_and_one_main_part(pages):
    for name in SECTIONS:
        text = pages[name].read_text()
        assert text.count("<main>") == text.count("</main>") == text.count("<h1>") == 1
        assert re.search(r"<title>[^<]{6,}</title>", text) and '<html lang="en">' in text
        assert not re.findall(r"<th(?![^>]*scope=)[ >]", text), "a header that says not what it heads"
        for body in re.findall(r"<tbody>(.*?)</tbody>", text, re.DOTALL):
            assert body.count("<tr") == body.count('scope="row"'), "a row without a header"


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
    assert "1 FIFO in front of where branches meet" in text and "0 of 120 would be others" in text
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


def test_pictures_of_another_training_are_refused(build, tmp_path, capsys):
    other = tmp_path / "run"
    shutil.copytree(build / "run", other)
    (other / "metrics.json").write_text('{"test_accuracy": 0.8}')
    target = tmp_path / "page.html"
    for run_folder, said in ((other, "says otherwise"), (tmp_path, "is not there")):
        assert run(["report", str(build), "--run", str(run_folder), "--html", str(target)]) == 1
        assert said in capsys.readouterr().err
    assert not target.exists()
    # The build's own run may have been trained anew since: its pictures are then left out.
    shutil.copytree(build, tmp_path / "block")
    shutil.copy(other / "metrics.json", tmp_path / "block" / "run")
    assert run(["report", str(tmp_path / "block"), "--html", str(target)]) == 0
    accuracy = target.read_text().partition('id="accuracy"')[2].partition('id="finn"')[0]
    assert "<svg" in accuracy and "<img" not in accuracy


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
    schema = SCHEMAS / "failed_report.schema.json"
    assert schema.read_text() == failed_schema(), "write it again, with report.model.failed_schema()"
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert run(["report", str(root), "--markdown", str(tmp_path / "failed.md")]) == 0
    said = (tmp_path / "failed.md").read_text()
    assert "It failed in stage simulation: VerificationError." in said and "report this" in said
    assert run(["report", str(root / "report" / "report.json")]) == 0
    assert "exactness" in capsys.readouterr().out
    shutil.rmtree(root / "report")
    assert run(["compare", str(root), str(tmp_path)]) == 1
    assert "the build failed" in capsys.readouterr().err


def test_the_failed_page_says_where_and_why(pages):
    text = pages["failed"].read_text()
    for part in (
        "It failed in stage simulation: VerificationError",
        "got 4, expected &lt;5&gt;",
        "report this",
        'class="node failed"',
        "simulation.failed/build/run.log",
    ):
        assert part in text, part
