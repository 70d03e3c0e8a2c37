"""``finnspect datasets``: the list, the tables of the documentation, and how long a set takes to be ready."""

from __future__ import annotations

import json
import re
from pathlib import Path

import drawn_sets as drawn
import pytest
from finnspect.cli import run

from quant_models.datasets import list_datasets

PAGE = Path(__file__).resolve().parents[3] / "docs" / "datasets.md"
# fmt: off
#: The sets that the project promises to read.
PROMISED = {
    "neu-cls", "neu-det", "severstal", "elpv", "kolektor-sdd", "deep-pcb", "aitex", "tianchi-fabric",
    "tianchi-aluminium", "dagm-2007", "crack-forest", "bridge-crack", "magnetic-tile", "rsdds", "kylberg",
    "kth-tips", "escalator-step", "insulator", "mvtec-itodd", "bsdata", "synthetic", "image-folder",
}
# fmt: on


def test_the_list_names_every_set_with_its_terms(capsys):
    assert {info.name for info in list_datasets()} == PROMISED and len(PROMISED) == 22
    assert run(["datasets", "list"]) == 0
    text = capsys.readouterr().out
    for info in list_datasets():
        block = "".join(text.split(f"{info.name}\n", 1)[1].split("\n\n")[0].split())
        for fact in (info.task, info.size, info.licence, info.layout, info.url or "from", info.checked):
            assert "".join(fact.split()) in block  # lines are wrapped
    assert run(["datasets", "list", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} == PROMISED


def test_the_documentation_holds_what_the_list_prints(capsys):
    assert run(["datasets", "list", "--markdown"]) == 0
    printed = capsys.readouterr().out.strip()
    page = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- finnspect datasets list --markdown -->\n", "\n<!-- end -->"
    held = page.partition(begin)[2].partition(end)[0].strip()
    if held != printed:
        pytest.fail(f"put the output of `finnspect datasets list --markdown` into {PAGE.name} again")


def test_ready_times_files_and_cache(capsys, tmp_path):
    path = drawn.draw("crack-forest", tmp_path)
    words = ["datasets", "ready", "crack-forest", str(path), "--image-size", "16", "--option", "minimum=100"]
    assert run(words) == 0
    text = capsys.readouterr().out
    assert re.match(r"crack-forest: 16 images at 16x16, \d+ cores, load [0-9.]+\n", text)
    seconds = re.findall(r"from the (files|cache): ([0-9.]+) s, ([0-9.]+) processor seconds", text)
    assert [source for source, *_ in seconds] == ["files", "cache"]
    assert float(seconds[1][1]) < float(seconds[0][1])


def test_a_wrong_option_of_a_check_is_one_error(capsys):
    assert run(["datasets", "check", "synthetic", "--option", "images=x"]) == 1
    assert "images is 'x'" in capsys.readouterr().err
