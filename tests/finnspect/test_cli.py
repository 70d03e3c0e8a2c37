"""The command line: help, one clear message for what a user can mend, exit codes, Ctrl-C."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import typer
from finnspect import cli, flow
from finnspect.app import app
from finnspect.board import load_board
from finnspect.cli import run
from finnspect.config import DEFAULT_PACKAGE
from finnspect.errors import ToolError
from finnspect.paths import PACKAGES_DIR, ROOT
from PIL import Image

SHIPPED = PACKAGES_DIR / DEFAULT_PACKAGE
COMMANDS = sorted(typer.main.get_command(app).commands)


def _fails(capsys, arguments, *parts, code=1):
    """Run a command line that must fail, with every one of ``parts`` in its message."""
    assert run([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    for part in parts:
        assert part in captured.err, captured.err
    assert "Traceback" not in captured.err and "internal error" not in captured.err
    if code == 1:
        message = [line for line in captured.err.splitlines() if line.startswith("finnspect: ")]
        assert len(message) == 1, captured.err
        assert "  remedy: " in captured.err
    return captured.err


def _folder_of_images(folder, classes=("good", "bad"), count=6, side=40):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


# -- help ---------------------------------------------------------------------------------------


def test_help_lists_every_command(capsys):
    assert {"train", "models", "accuracy", "explore", "datasets", "build"} < set(COMMANDS)
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", text), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples_and_options(command, capsys):
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples" in text and f"finnspect {command}" in text
    options = re.findall(r"^│ +(--[a-z-]+)", text, re.MULTILINE)
    assert options
    for line in text.splitlines():
        assert len(line) <= 100


def test_version(capsys):
    assert run(["--version"]) == 0
    assert re.match(r"finnspect \d+\.\d+", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments", [["biuld"], ["build", "--bord", "x"], ["report"], ["train", "--seed", "x"]]
)
def test_a_bad_command_line_is_exit_code_2(arguments, capsys):
    assert run(arguments) == 2
    assert "Usage" in capsys.readouterr().err


def test_the_start_imports_nothing_heavy():
    code = (
        "import sys; from finnspect.cli import run; run(['--version']); import finnspect.flow;"
        "import finnspect.train_flow; import finnspect.build_stages;"
        "print([m for m in ('torch', 'finn', 'qonnx', 'onnx', 'brevitas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["build", "--board", "ulx3s"], ("unknown board 'ulx3s'", "did you mean ulx3s-85f")),
        (["build", "--toolchain", "vivadoo"], ("unknown toolchain", "'vivadoo'", "ecp5")),
        (["build", "--package", "cnv_w4a4-syntetic"], ("unknown package", DEFAULT_PACKAGE)),
        (["build", "--package", "no/such/folder"], ("no/such/folder is not a model package",)),
        (["build", "--config", "none.toml"], ("none.toml",)),
        (["build", "--data", "x"], ("no data set", "--dataset image-folder")),
        (["build", "--dataset", "synthetic", "--package", "x"], ("both a package and a data set",)),
        (["train", "--dataset", "neu-dat", "--data", "."], ("unknown data set 'neu-dat'", "neu-det")),
        (["train", "--model", "cnx_w4a4"], ("cnx_w4a4", "cnv_w4a4")),
        (["train", "--dataset", "synthetic", "--data", "."], ("synthetic", "leave DATA out")),
        (["train", "--dataset", "neu-det"], ("neu-det", "DATA=")),
        (["train", "--dataset", "neu-det", "--data", "/no/such"], ("/no/such does not exist", "neu-det")),
        (["simulate", "--images", "/no/such"], ("/no/such does not exist",)),
        (["export", "/no/such", "-o", "x"], ("/no/such", "not a finished training run")),
        (["report", "/no/such"], ("no report at /no/such",)),
        (["deploy", "/no/such"], ("/no/such holds no finished build",)),
        (["deploy", "--check", "/no/such.zip"], ("cannot read /no/such.zip",)),
    ],
)
def test_what_does_not_exist_is_named(arguments, parts, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _fails(capsys, arguments, *parts)


# -- data ---------------------------------------------------------------------------------------


def _train(dataset, data, out):
    return ["train", "--dataset", dataset, "--data", data, "--epochs", "1", "--out", out]


def test_a_folder_of_another_layout_is_refused(capsys, tmp_path):
    folder = _folder_of_images(tmp_path / "data")
    _fails(capsys, _train("neu-det", folder, tmp_path / "out"), str(folder))


def test_a_truncated_image_is_named(capsys, tmp_path):
    folder = _folder_of_images(tmp_path / "data")
    broken = folder / "bad" / "3.png"
    broken.write_bytes(broken.read_bytes()[:200])
    _fails(capsys, _train("image-folder", folder, tmp_path / "out"), "3.png")


def test_a_file_that_is_no_archive_is_refused(capsys, tmp_path):
    (tmp_path / "data.tar.xz").write_text("not an archive")
    _fails(capsys, _train("neu-det", tmp_path / "data.tar.xz", tmp_path / "out"), "data.tar.xz")


def test_an_archive_of_something_else_is_refused(capsys, tmp_path):
    (tmp_path / "something").mkdir()
    (tmp_path / "something" / "readme.txt").write_text("hello")
    archive = shutil.make_archive(str(tmp_path / "data"), "xztar", tmp_path, "something")
    _fails(capsys, _train("neu-det", archive, tmp_path / "out"), "data.tar.xz")


def test_nothing_of_a_failed_training_is_taken_for_finished(capsys, tmp_path):
    folder = _folder_of_images(tmp_path / "data")
    _fails(capsys, _train("neu-det", folder, tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("stage.json"))


# -- packages, tools, size ----------------------------------------------------------------------


def test_an_altered_package_is_refused_at_once(capsys, tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "package")
    file = tmp_path / "package" / "model.qonnx.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    out = tmp_path / "out"
    _fails(capsys, ["build", "--package", tmp_path / "package", "--out", out], "was altered", "export")
    assert [path.name for path in out.iterdir()] == ["report.failed"]


def test_a_missing_compiler_is_said_before_any_work(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "out"
    _fails(capsys, ["build", "--out", out], "g++", "apt-get install g++")
    assert {path.parent.name for path in out.rglob("*") if path.is_file()} == {"report.failed"}


def test_a_model_too_big_for_the_board_is_refused_before_synthesis(capsys, tmp_path, monkeypatch):
    board = load_board("ulx3s-85f")
    small = board.model_copy(update={"resources": {**board.resources, "LUT4": 2000}})
    monkeypatch.setattr(flow.BuildRequest, "load_board", lambda _self: small)
    error = _fails(capsys, ["build", "--out", tmp_path / "out"], "does not fit ulx3s-85f", "larger board")
    need, over, limit = (
        int(text) for text in re.search(r"(\d+) LUT, (\d+) more than the (\d+)", error).groups()
    )
    assert need - limit == over > 0
    assert not (tmp_path / "out" / f"{DEFAULT_PACKAGE}-ulx3s-85f" / "folding").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pixels": np.zeros((2, 4, 4, 1), np.uint8)}, "no npz file with an array `images`"),
        ({"images": np.zeros((2, 4, 4, 1), np.uint8)}, "takes uint8 (N, "),
        ({"images": np.zeros((2, 64, 64, 1), np.float32)}, "images are float32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, message, capsys, tmp_path):
    np.savez(tmp_path / "images.npz", **arrays)
    _fails(capsys, ["simulate", "--images", tmp_path / "images.npz", "--out", tmp_path / "out"], message)


# -- what is printed when things go wrong -------------------------------------------------------


def test_debug_shows_the_traceback(monkeypatch):
    with pytest.raises(Exception, match="no report at"):
        run(["--debug", "report", "/no/such"])


def test_an_error_of_our_own_is_said_to_be_one(monkeypatch, capsys):
    monkeypatch.setattr("finnspect.doctor.run_checks", lambda: 1 / 0)
    assert run(["doctor"]) == 70
    text = capsys.readouterr().err
    assert "internal error: ZeroDivisionError" in text and "--debug" in text


def test_a_tool_error_is_shown_with_its_remedy(monkeypatch, capsys, tmp_path):
    def fail(*_args):
        raise ToolError("yosys stopped:\n  ERROR: no such module", "look into synth.log")

    monkeypatch.setattr(flow, "build", fail)
    _fails(capsys, ["build", "--out", tmp_path], "ERROR: no such module", "look into synth.log")


def test_ctrl_c_is_exit_code_130(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("finnspect.doctor.run_checks", interrupted)
    assert run(["doctor"]) == 130
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_leaves_nothing_half_done(number, code, tmp_path):
    command = [sys.executable, "-m", "finnspect", "train", "--model", "cnv_tiny_w4a4", "--out", str(tmp_path)]
    command += ["--data-option", "images=350", "--epochs", "1000"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ)
    begun = time.monotonic()
    while "epoch" not in (line := process.stderr.readline()):
        assert line and time.monotonic() - begun < 120
    assert list(tmp_path.glob("*/.tmp-train-*"))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    build = tmp_path / "cnv_tiny_w4a4-synthetic"
    assert [p.name for p in build.iterdir()] == [".lock"]


def test_the_script_and_the_module_are_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "finnspect", "doctor", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["ok"]
    assert cli.main.__module__ == "finnspect.cli"
