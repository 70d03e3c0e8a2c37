"""``finnspect explore`` as a user runs it: tiny networks, really trained, compiled and folded."""

import csv
import json
from pathlib import Path

import pytest
from explore_bench import Process, document, space, states
from finnspect.board import load_board
from finnspect.cli import run
from finnspect.config import BuildConfig
from finnspect.folding import read_folding
from finnspect.folding_stage import fold
from finnspect.ir import DataflowGraph
from finnspect.package import ModelPackage
from finnspect.stages import read_marker


def _run(capsys, *arguments):
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Kill a study in the middle of its first training, then let the same command go on; twice done."""
    out = tmp_path_factory.mktemp("explore")
    command = [*space("2", "0.000001,0.05,1"), "--trials", 3, "--study", "tiny", "--out", out]
    first = Process(*command)
    first.wait_for("float epoch 1/2")
    first.kill()
    left = sorted(path.name for path in (out / "explore" / "tiny").iterdir())
    second = Process(*command)
    shown = second.finish()
    return out, command, left, second.text, shown


def test_a_killed_study_goes_on_with_the_trial_that_was_cut(killed):
    out, _, left, said, _ = killed
    assert "study.db" in left and "explore.json" not in left
    assert "trial 0: its worker is dead, it is put up again" in said
    found = document(out, "tiny")
    assert states(found) == {"complete": 2, "failed": 1, "infeasible": 1}
    rows = found["trials"]
    assert rows[0]["state"] == "failed" and rows[1]["retry_of"] == 0 and rows[1]["point"] == rows[0]["point"]


def test_trials_that_differ_in_folding_only_share_one_training(killed):
    out, _, _, said, _ = killed
    (model,) = (path for path in (out / "explore" / "tiny" / "models").iterdir() if path.name != "cache")
    assert model.name == "cnv_tiny-x0.5_w2a2-synthetic"
    assert said.count("quant epoch 1/2") == 1 and said.count("exporting") == 1
    found = document(out, "tiny")
    figures = [row["figures"] for row in found["trials"] if row["state"] == "complete"]
    assert figures[0]["accuracy"] == figures[1]["accuracy"]
    assert figures[0]["lut"]["value"] != figures[1]["lut"]["value"]
    metrics = json.loads((model / "train" / "run" / "metrics.json").read_text())
    assert figures[0]["accuracy"] == {
        "value": metrics["leading"]["val"],
        "kind": "measured",
        "metric": "accuracy",
        "part": "validation",
    }
    assert read_marker(model / "frontend") is not None


def test_every_figure_says_what_it_is_and_the_infeasible_why(killed):
    out, _, _, _, shown = killed
    found = document(out, "tiny")
    for row in found["trials"]:
        kinds = {name: each["kind"] for name, each in row["figures"].items()}
        if row["state"] == "complete":
            assert kinds["accuracy"] == kinds["test_accuracy"] == "measured"
            assert {kinds[name] for name in ("lut", "ff", "bram", "dsp", "fps", "cycles", "latency")} == {
                "estimated"
            }
            assert row["folding"]["conv0"]["PE"] >= 1
        if row["state"] == "infeasible":
            assert row["point"]["budget"] == 0.000001 and "does not fit" in row["reason"]
    assert "Pareto front of accuracy, fps, lut" in shown and "infeasible, 1 times" in shown
    with (out / "explore" / "tiny" / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == found["front"]
    assert {row["lut_kind"] for row in rows} == {"estimated"}


def test_the_command_shown_builds_what_was_found(killed):
    out, _, _, _, shown = killed
    line = next(line for line in shown.splitlines() if line.startswith("to build trial"))
    words = line.partition(": finnspect build ")[2].split()
    options = dict(zip(words[::2], words[1::2], strict=True))
    ModelPackage.load(Path(options["--package"]))
    row = document(out, "tiny")["trials"][document(out, "tiny")["front"][0]]
    config = BuildConfig().with_goal(read_folding(Path(options["--folding"])))
    model = Path(options["--package"]).parents[1]
    graph, board = DataflowGraph.load(model / "frontend"), load_board(options["--board"])
    folding, estimates = fold(graph, board, config)
    assert folding.to_json() == row["folding"]
    assert estimates["bound"]["cycles"] == row["figures"]["cycles"]["value"]
    assert estimates["core"]["lut"] == row["figures"]["lut"]["value"]


def test_a_finished_study_is_only_shown_and_can_be_joined(killed, capsys):
    out, command, _, _, shown = killed
    code, again, said = _run(capsys, *command)
    assert code == 0 and again == shown and "epoch" not in said
    code, joined, _ = _run(capsys, "explore", "--join", "tiny", "--out", out, "--json")
    assert code == 0 and json.loads(joined) == document(out, "tiny")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--join", "tiny", "--study", "tiny"], ("both --study and --join",)),
        (["--join", "tony"], ("no study 'tony'", "begin one first")),
        (["--study", "a/b"], ("study name 'a/b'",)),
        (["--study", "tiny"], ("study 'tiny' was begun with", "--join tiny")),
        (["--widths", "wide"], ("--widths 'wide'", "1,2,4")),
        (["--budget", "2"], ("budget 2 is out of range",)),
        (["--budget", "1", "--target-fps", "5"], ("several aims",)),
        (["--objectives", "speed"], ("unknown objective 'speed'",)),
        (["--families", "cnw"], ("unknown model 'cnw",)),
        (["--board", "pynq"], ("unknown board 'pynq'", "pynq-z2")),
        (["--option", "images"], ("option 'images'", "images=4200")),
        (["--option", "pictures=7", "--study", "p"], ("pictures", "images")),
        (["--dataset", "neu-det"], ("'neu-det', whose files are not given", "--data")),
        (["--storage", "nonsense"], ("--storage is no URL", "postgresql://")),
        (["--storage", "mysql://a/b"], ("mysql:// is not served",)),
        (["--storage", "postgresql://me@localhost"], ("names no database",)),
        (
            ["--storage", "postgresql://me:secret@127.0.0.1:1/x"],
            ("postgresql://me:***@127.0.0.1:1/x does not answer", "check that the server runs"),
        ),
    ],
)
def test_mistakes_are_one_clear_error(killed, capsys, arguments, parts):
    code, _, said = _run(capsys, "explore", *arguments, "--out", killed[0])
    assert code == 1
    for part in parts:
        assert part in said, said
    assert "remedy: " in said and "Traceback" not in said and "secret" not in said
