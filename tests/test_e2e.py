"""The whole road on a tiny network: pictures, training, package, RTL simulation, bitstream, deploy zip.

Everything goes through the command line, in the order a user would.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from finnspect import bench_goals, bench_route, flow
from finnspect.cli import run
from finnspect.deploy import read_deploy
from finnspect.ir import DataflowGraph
from finnspect.package import ModelPackage
from finnspect.paths import ROOT
from finnspect.reference import logits as reference_logits
from finnspect.report import load_report
from finnspect.stages import read_marker
from PIL import Image

MODEL = "cnv_tiny_w4a4"
CLASSES = ("blank", "dots", "lines")
TRAINING = ["--dataset", "image-folder", "--model", MODEL, "--epochs", "2"]
STAGES = ("frontend", "folding", "fifos", "rtl", "simulation", "bitstream", "deploy", "test", "report")


def _picture(rng, kind):
    pixels = rng.normal(128, 12, (48, 64))
    if kind == "dots":
        for y, x in rng.integers(6, 42, (6, 2)):
            pixels[y - 3 : y + 3, x - 3 : x + 3] += 90
    elif kind == "lines":
        pixels[:, int(rng.integers(8, 56)) :: 12] -= 90
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for kind in CLASSES:
        (folder / kind).mkdir()
        for index in range(30):
            _picture(rng, kind).save(folder / kind / f"{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def package(pictures, out):
    """The exported package: `finnspect train`, then `finnspect export`."""
    assert run(["train", *TRAINING, "--data", str(pictures), "--out", str(out)]) == 0
    assert run(["export", str(out / f"{MODEL}-image-folder/train/run"), "-o", str(out / "package")]) == 0
    return ModelPackage.load(out / "package")


@pytest.fixture(scope="module")
def build_options(package, out):
    return ["--package", str(package.path), "--out", str(out)]


@pytest.fixture(scope="module")
def again(pictures, out):
    """What `make hw DATASET=image-folder DATA=...` runs; the training is finished by then."""
    return ["build", *TRAINING, "--data", str(pictures), "--out", str(out)]


def test_training_again_with_the_same_pictures_does_nothing(package, pictures, out, capsys):
    begun = time.monotonic()
    assert run(["train", *TRAINING, "--data", str(pictures), "--out", str(out), "--json"]) == 0
    assert time.monotonic() - begun < 5
    captured = capsys.readouterr()
    assert "up to date" in captured.err
    assert json.loads(captured.out)["metrics"]["dataset"] == "image-folder"


def test_the_package_says_what_it_is(package):
    assert tuple(package.info.classes) == CLASSES
    assert package.info.model == MODEL and package.input_shape == (16, 16, 1)
    assert sum(file.stat().st_size for file in package.path.iterdir()) < 1_000_000


def test_golden_images_run_through_the_rtl_exactly(build_options, package, out, capsys):
    result = out / "golden.json"
    assert run(["simulate", *build_options, "--result", str(result)]) == 0
    assert "0 mismatches between RTL and reference" in capsys.readouterr().out
    document = json.loads(result.read_text())
    golden = package.golden()
    got = np.array([entry["logits"] for entry in document["results"]])
    # What torch exported, executed by QONNX, is what the hardware put out.
    assert np.array_equal(got, golden.logits_int)
    assert document["cycles_per_frame"] <= 1.05 * document["folding_bound_cycles"]


def test_a_folder_of_pictures_runs_through_the_rtl(build_options, pictures, out, capsys):
    assert run(["simulate", *build_options, "--images", str(pictures), "--count", "12", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["images"] == document["labelled"] == 12
    assert {entry["label"] for entry in document["results"]} == {"blank"}
    assert document["correct"] == sum(entry["class"] == "blank" for entry in document["results"])


def test_arrays_run_through_the_rtl(build_options, package, out, tmp_path, capsys):
    images = np.random.default_rng(3).integers(0, 256, (5, *package.input_shape), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    assert run(["simulate", *build_options, "--images", str(tmp_path / "images.npz"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    graph = DataflowGraph.load(out / f"{package.info.name}-ulx3s-85f" / "frontend")
    got = np.array([entry["logits"] for entry in document["results"]])
    assert np.array_equal(got, reference_logits(graph, images))
    assert document["correct"] is None and document["labelled"] == 0


def test_another_folding_trains_nothing_again(package, again, out, tmp_path, capsys):
    options = [*again, "--board", "pynq-z2", "--toolchain", "none"]
    assert run(options) == 0
    trained = out / f"{MODEL}-image-folder"
    built = out / f"{package.info.name}-pynq-z2"
    kept = [trained / "train", trained / "export", built / "frontend"]
    before = {folder: (folder / "stage.json").read_bytes() for folder in kept}
    cycles = load_report(built).performance.cycles_per_frame.value
    capsys.readouterr()
    (tmp_path / "small.toml").write_text(f"target_cycles = {4 * int(cycles)}\n")
    assert run([*options, "--config", str(tmp_path / "small.toml")]) == 0
    said = capsys.readouterr().err
    assert (
        said.count("up to date") == len([*kept, "test"]) and "folding again, changed: target_cycles" in said
    )
    assert {folder: (folder / "stage.json").read_bytes() for folder in kept} == before
    assert cycles < load_report(built).performance.cycles_per_frame.value <= 4 * cycles


# -- the bitstream ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(again, tmp_path_factory):
    """The same with a small folding, which is placed and routed in a minute."""
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text("target_cycles = 4096\n")
    return [*again, "--config", str(path)]


@pytest.fixture(scope="module")
def built(package, small, out):
    assert run(small) == 0
    return out / f"{package.info.name}-ulx3s-85f"


@pytest.mark.slow
def test_the_build_ends_in_a_bitstream_that_meets_its_clock(built):
    report = load_report(built)
    assert report.exactness.mismatches == 0 and report.exactness.qonnx_mismatches == 0
    assert report.exactness.images == 16
    assert report.performance.fmax.kind == "post-route"
    assert report.performance.fmax.value >= report.performance.clock.value == report.board.clock_mhz
    fps = report.performance.clock.value * 1e6 / report.performance.cycles_per_frame.value
    assert report.performance.fps.value == pytest.approx(fps)
    assert report.test_set.images >= 9 and report.test_set.accuracy.source == "integer reference"
    assert report.test_set.changed_predictions == 0
    used = {r.name: r.used.value for r in report.resources if r.used.kind == "post-route"}
    assert {"LUT4", "FF", "DP16KD", "MULT18X18D"} <= used.keys() and used["LUT4"] > 500
    assert {stage.name for stage in report.stages} == {*STAGES} - {"report"}
    missing = [path for path in report.files.values() if not (built / "report" / path).exists()]
    assert not missing
    assert (built / "report" / "report.md").read_text().startswith(f"# {report.package.name}")


@pytest.mark.slow
def test_the_deploy_zip_holds_all_that_a_host_needs(built, package, capsys, tmp_path):
    path = flow.find_deploy(built)
    info, contents = read_deploy(path)
    assert tuple(info.classes) == CLASSES and info.shell == "uart"
    assert contents[info.bitstream] == (built / "bitstream" / "ulx3s-85f.bit").read_bytes()
    assert contents["golden.npz"] == (package.path / "golden.npz").read_bytes()
    for name in ("dataflow.json", "dataflow.npz"):
        (tmp_path / name).write_bytes(contents[f"model/{name}"])
    golden = package.golden()
    assert np.array_equal(reference_logits(DataflowGraph.load(tmp_path), golden.images), golden.logits_int)

    copy = tmp_path / "copy.zip"
    assert run(["deploy", str(built), "--output", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accelerator"]["build_id"] == info.build_id
    assert copy.read_bytes() == path.read_bytes()
    assert run(["deploy", "--check", str(copy)]) == 0
    copy.write_bytes(copy.read_bytes()[:-1000])
    assert run(["deploy", "--check", str(copy)]) == 1


@pytest.mark.slow
def test_a_second_build_runs_no_stage_and_takes_seconds(built, small, capsys):
    markers = {name: (built / name / "stage.json").read_bytes() for name in STAGES}
    capsys.readouterr()
    begun = time.monotonic()
    assert run(small) == 0
    assert time.monotonic() - begun < 5
    assert capsys.readouterr().err.count("up to date") == len(STAGES) + len(["train", "export"])
    assert {name: (built / name / "stage.json").read_bytes() for name in STAGES} == markers


@pytest.mark.slow
def test_make_hw_finds_the_build_finished(built, package, out, tmp_path):
    folding = shutil.copy(built / "folding" / "folding.json", tmp_path)
    stamp = f"{sys.prefix}/.finnspect-bootstrapped"  # whatever its age: this environment runs the tests
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "-o", stamp, "hw", f"VENV={sys.prefix}", f"PACKAGE={package.path}", f"OUT={out}"]
    command.append(f"FOLDING={folding}")
    done = subprocess.run(
        command, cwd=ROOT, env=inherited, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "bitstream  up to date" in done.stderr and "simulation up to date" in done.stderr
    assert "0 mismatches" in done.stdout and "deploy zip: " in done.stdout


@pytest.mark.slow
def test_the_benchmark_has_clock_and_cells_of_a_build(built, package, small, out):
    said = []
    (row,) = bench_route.measure_route(out, said.append, str(package.path), Path(small[-1]))
    report = load_report(built)
    assert row["fmax_mhz"] == round(report.performance.fmax.value, 1) >= row["clock_mhz"]
    assert row["package"] == package.info.name and "place and route" in said[0]
    assert row["LUT4"] in [used.used.value for used in report.resources if used.name == "LUT4"]
    assert f"{row['LUT4']:,} |" in bench_route.table([row])
    (goal,) = bench_goals.of_routes([row | {"fmax_mhz": 99.9}])
    assert not goal.met and goal.kind == "post-route"


@pytest.mark.slow
def test_another_clock_builds_the_bitstream_again_and_nothing_before_it(built, build_options, tmp_path):
    earlier = ("frontend", "fifos", "rtl", "simulation")  # the estimates of `folding` name the clock
    keys = {name: read_marker(built / name)["key"] for name in (*earlier, "bitstream", "deploy")}
    (tmp_path / "slow.toml").write_text("clock_mhz = 36\ntarget_cycles = 4096\n")
    assert run(["build", *build_options, "--config", str(tmp_path / "slow.toml")]) == 0
    now = {name: read_marker(built / name)["key"] for name in keys}
    assert [name for name in keys if now[name] != keys[name]] == ["bitstream", "deploy"]
    assert load_report(built).board.clock_mhz == pytest.approx(36, abs=0.5)
