"""The Makefile and the bootstrap: help, what `make hw` passes on, and what is said when something lacks."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from finnspect.paths import ROOT

ENV = ROOT / "build" / "env"
BOOTSTRAP = ENV / "bootstrap.sh"


def _make(*arguments, **environment):
    # What the make that runs these tests was called with is not for this one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**inherited, **environment},
    ).stdout


def test_help_explains_every_target_and_variable():
    text = _make("help")
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split())
    assert {"hw", "test", "test-fast", "lint", "bench", "help", "clean", "lock"} <= targets
    for name in (
        *targets,
        "BOARD",
        "MODEL",
        "DATASET",
        "DATA",
        "DATA_OPTIONS",
        "TRAIN_OPTIONS",
        "PACKAGE",
        "TOOLCHAIN",
        "OUT",
    ):
        assert re.search(rf"^  {name} +\w+", text, re.MULTILINE), name


def test_help_is_what_make_alone_shows():
    assert _make() == _make("help")


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        ([], "finnspect build"),
        (["PACKAGE=my package"], "finnspect build --package 'my package'"),
        (
            [
                "DATASET=neu-det",
                "DATA=../a b/NEU.tar.xz",
                "MODEL=cnv_w4a4",
                "BOARD=b",
                "OUT=o",
                "TOOLCHAIN=t",
            ],
            "finnspect build --board 'b' --model 'cnv_w4a4' --dataset 'neu-det' --data '../a b/NEU.tar.xz'"
            " --toolchain 't' --out 'o'",
        ),
        (
            ["DATASET=deep-pcb", "DATA_OPTIONS=task=binary least=48", "TRAIN_OPTIONS=--epochs 3 --color rgb"],
            "finnspect build --dataset 'deep-pcb' --data-option 'task=binary'  --data-option 'least=48'"
            " --epochs 3 --color rgb",
        ),
    ],
)
def test_hw_passes_the_variables_on(variables, command):
    line = _make("--dry-run", "hw", *variables).strip().splitlines()[-1]
    assert line.endswith(f"/bin/{command}")


def test_variables_do_not_leak_in_from_the_environment():
    line = _make("--dry-run", "hw", MODEL="other", DATA="/data", OUT="/tmp/x").strip().splitlines()[-1]
    assert line.endswith("/finnspect build")


def _bootstrap(tmp_path, tools, python="python3", venv="venv"):
    """Run the script where only ``tools`` are on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("bash", "dirname", "mkdir", "cat", "tail", "rm", "touch", "grep", "flock", *tools):
        found = sys.executable if tool == "python3" else shutil.which(tool)
        (folder / tool).symlink_to(found)
    return subprocess.run(
        ["bash", str(BOOTSTRAP), str(tmp_path / venv)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": str(folder), "PYTHON": python},
    )


def _said(done, *parts):
    assert done.returncode == 1, done
    for part in parts:
        assert part in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_compiler_is_named_with_the_install_line(tmp_path):
    done = _bootstrap(tmp_path, ["perl", "make", "python3"])
    _said(done, "not found on PATH: g++", "apt-get install")
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_is_named(tmp_path):
    _said(_bootstrap(tmp_path, ["g++", "make", "perl"], python="python3.99"), "python3.99", "apt-get install")


def _fake_python(tmp_path, script):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_another_python_version_is_refused(tmp_path):
    python = _fake_python(tmp_path, "echo 3.14")
    _said(
        _bootstrap(tmp_path, ["g++", "make", "perl"], python), "Python 3.11 is needed", "3.14", "make PYTHON="
    )


def test_a_failing_step_shows_the_end_of_its_output_and_leaves_no_stamp(tmp_path):
    python = _fake_python(
        tmp_path,
        'case "$2" in *version_info*) echo 3.11;; *ensurepip*) ;; *) echo "no space left" >&2; exit 1;; esac',
    )
    done = _bootstrap(tmp_path, ["g++", "make", "perl"], python)
    _said(done, "no space left", "venv/bootstrap.log", "remedy:")
    assert not list(tmp_path.rglob(".finnspect-bootstrapped"))


# -- an environment made with another Python -----------------------------------------------------


def _drop(venv, python):
    """Run what both bootstraps do before they make ``venv``; return what it says."""
    code = 'set -euo pipefail; venv=$1 python=$2; . "$3"; drop_if_of_another_python'
    command = ["bash", "-c", code, "bootstrap", venv, python, ENV / "common.sh"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture
def made(tmp_path):
    """An environment with something of the user's in it, and the Python that made it."""
    python = os.path.realpath(sys.executable)
    subprocess.run([python, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (tmp_path / "venv" / "bootstrap.log").write_text("kept")
    return tmp_path / "venv", python


def test_an_environment_of_the_same_python_is_kept(made):
    venv, python = made
    assert _drop(venv, python) == ""
    assert (venv / "bin" / "python").exists() and (venv / "pyvenv.cfg").exists()
    assert _drop(venv.parent / "none", python) == ""


@pytest.mark.parametrize("change", ["gone", "another", "broken"])
def test_an_environment_of_another_python_is_made_anew(made, change):
    venv, python = made
    link = venv / "bin" / "python"
    link.unlink()
    if change == "gone":  # a link to a Python that was removed: venv itself would leave it as it is
        link.symlink_to(venv.parent / "removed" / "python3")
    else:
        says = "exit 1" if change == "broken" else "echo /opt/python3.11 /opt 3.11.2"
        link.write_text(f"#!/bin/bash\n{says}\n")
        link.chmod(0o755)
    assert "made with another Python" in _drop(venv, python)
    assert [path.name for path in venv.iterdir()] == ["bootstrap.log"]
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    subprocess.run([link, "-c", "import ssl"], check=True)


@pytest.mark.parametrize("script", ["bootstrap.sh", "bootstrap_driver.sh"])
def test_both_bootstraps_look_before_they_make_it(script):
    lines = (ENV / script).read_text().splitlines()
    assert lines.index("drop_if_of_another_python") + 1 == next(
        number for number, line in enumerate(lines) if '-m venv "$venv"' in line
    )
    rule = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if script in line and "FILES :=" in line
    )
    assert "common.sh" in rule, "a change of what they share prepares both environments again"


def test_scripts_are_executable_and_strict():
    for script in (BOOTSTRAP, ENV / "bootstrap_driver.sh", ROOT / ".ci" / "run", ENV / "lock.sh"):
        assert os.access(script, os.X_OK), script
        assert "set -euo pipefail" in script.read_text(), script
        subprocess.run(["bash", "-n", str(script)], check=True)
