import json
import os
import signal
import subprocess
import sys
import time

import pytest
from finnspect.cli import run
from finnspect.errors import ConfigError, DataError
from finnspect.package import sha256_file
from finnspect.paths import ROOT
from scipy import stats

from quant_models.accuracy import Plan, jobs, markdown, paired, spread
from quant_models.datasets import get_dataset
from quant_models.models import parse_name
from quant_models.threads import settle_threads, usable_cores
from quant_models.train import TrainConfig, open_run, train

PLAN = """
seeds = 2
[[set]]
dataset = "synthetic"
name = "small"
models = ["cnv_tiny_w4a4"]
options = { float_epochs = 1, quant_epochs = 1, batch_size = 32, dataset_options = { images = 210 } }
"""


def test_interval_is_that_of_the_paired_t_test():
    a, b = [0.97, 0.981, 0.968, 0.99, 0.975], [0.975, 0.98, 0.972, 0.985, 0.983]
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    found = paired(a, b)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["mean"] == pytest.approx(sum(a) / 5 - sum(b) / 5)
    assert paired([0.5], [0.25]) == {"mean": 0.25, "low": None, "high": None}
    assert spread([1.0, 3.0]) == {"mean": 2.0, "std": pytest.approx(2**0.5), "values": [1.0, 3.0]}


def test_the_repositorys_plan_names_what_there_is(tmp_path):
    plan = Plan.load(ROOT / "quant_models" / "accuracy.toml")
    assert plan.seeds == 5
    for entry in plan.set:
        get_dataset(entry.dataset)
        assert all(parse_name(model) for model in entry.models)
    assert len(list(jobs(plan))) == 5 * sum(len(entry.models) for entry in plan.set)
    with pytest.raises(DataError, match="NEU-DET"):
        plan.check_data(tmp_path)
    plan.only(["synthetic"]).check_data(tmp_path)
    with pytest.raises(ConfigError, match="no set 'x'"):
        plan.only(["x"])


def test_the_committed_table_is_what_the_command_wrote():
    document = json.loads((ROOT / "docs" / "accuracy.json").read_text())
    assert markdown(document) in (ROOT / "docs" / "accuracy.md").read_text()
    plan = Plan.load(ROOT / "quant_models" / "accuracy.toml")
    planned = [(entry.label, model) for entry in plan.set for model in entry.models]
    shown = [(row["set"], row["model"]) for row in document["rows"]]
    assert shown == sorted(set(shown), key=planned.index)
    for row in document["rows"]:
        for key in ("quantized", "float"):
            assert row[key] == spread(row[key]["values"]) and len(row[key]["values"]) == len(row["seeds"])
        assert row["difference"] == paired(row["quantized"]["values"], row["float"]["values"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = 2", "set: Field required"),
        (PLAN.replace("models", "model"), "set.0.models"),
        (PLAN + PLAN.replace("seeds = 2", ""), "one name"),
        ("seeds = ", "not TOML"),
    ],
)
def test_bad_plans_are_refused(tmp_path, text, words):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        Plan.load(tmp_path / "plan.toml")


def test_command_trains_once_and_writes_the_table(tmp_path, capsys):
    """Two trainings at a time; then one at a time, which finds them done and says the same."""
    (tmp_path / "plan.toml").write_text(PLAN)
    arguments = ["accuracy", "--plan", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out"), "--json"]
    assert run([*arguments, "--jobs", "2"]) == 0
    first = json.loads(capsys.readouterr().out)
    (row,) = first["rows"]
    assert row["set"] == "small" and row["seeds"] == [0, 1] and row["metric"] == "accuracy"
    folder = tmp_path / "out" / "accuracy"
    runs = sorted(folder.glob("small/seed*/cnv_tiny_w4a4-synthetic/train/run/metrics.json"))
    accuracies = [json.loads(path.read_text())["test_accuracy"] for path in runs]
    assert row["quantized"]["values"] == accuracies and len(accuracies) == 2
    assert json.loads((folder / "accuracy.json").read_text()) == first
    table = (folder / "accuracy.md").read_text()
    assert "| small | cnv_tiny_w4a4 |" in table and "2 of 2" in table
    assert "error of the answered %" in table
    assert {json.loads(path.read_text())["threads"] for path in runs} == {1}
    written = [path.stat().st_mtime_ns for path in runs]
    assert run([*arguments, "--jobs", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert [path.stat().st_mtime_ns for path in runs] == written

    assert run([*arguments, "--no-train"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    (tmp_path / "plan.toml").write_text(PLAN.replace("quant_epochs = 1", "quant_epochs = 2"))
    assert run([*arguments, "--no-train"]) != 0  # other trainings than the plan's are not shown as its own

    alone = open_run(train_alone(tmp_path / "alone", seed=1))
    kept = runs[1].parent / "checkpoint.pt"
    assert sha256_file(alone.path / "checkpoint.pt") == sha256_file(kept)


def train_alone(folder, seed):
    """The plan's training in this process, which the tests keep to one thread."""
    config = TrainConfig(
        model="cnv_tiny_w4a4",
        dataset="synthetic",
        seed=seed,
        run_dir=folder,
        float_epochs=1,
        quant_epochs=1,
        batch_size=32,
        dataset_options={"images": 210},
    )
    return train(config, lambda _: None)


STOPPED = """
import sys
from finnspect.cli import run
if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_ends_its_trainings(tmp_path, number, code):
    plan = PLAN.replace("float_epochs = 1", "float_epochs = 5000, patience = 5000")  # never done by itself
    (tmp_path / "plan.toml").write_text(plan)
    (tmp_path / "run.py").write_text(STOPPED)
    arguments = ["accuracy", "--plan", "plan.toml", "--out", "out", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "run.py", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "float epoch" in line:
            break
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
    assert not list((tmp_path / "out").rglob("metrics.json"))
    assert not list((tmp_path / "out").rglob(".tmp-*"))


def test_models_command_lists_what_is_counted(capsys):
    assert run(["models", "resnet8_w4a4", "--rgb", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["weights"], row["macs"], row["weight_bits"]) == (77_360, 12_501_632, 309_440)
    assert run(["models", "cnv_tiny_w1a2", "--size", "16"]) == 0
    assert "cnv_tiny_w1a2" in capsys.readouterr().out
    assert run(["models", "no_such_w4a4"]) != 0


def test_folds_command_tells_the_spread(tmp_path, capsys):
    arguments = ["train", "--model", "cnv_tiny_w4a4", "--epochs", "1", "--shots", "3", "--folds", "2"]
    assert run([*arguments, "--out", str(tmp_path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert len(summary["quantized"]["values"]) == len(summary["runs"]) == 2
    assert (tmp_path / "cnv_tiny_w4a4-synthetic-shots3-fold2of2" / "train" / "run").is_dir()


def test_cores_are_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 5})
    for cpu, core in ((0, 0), (1, 0), (2, 1), (5, 7)):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text("0\n")
        (folder / "core_id").write_text(f"{core}\n")
    assert usable_cores(tmp_path, tmp_path / "none") == 3
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert usable_cores(tmp_path, tmp_path / "cpu.max") == 2
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path, tmp_path / "cpu.max") == 3
    assert usable_cores(tmp_path / "hidden", tmp_path / "none") == 4


def test_a_users_number_of_threads_stays(monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert settle_threads() == before
