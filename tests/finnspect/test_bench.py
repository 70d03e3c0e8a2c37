"""The benchmark, in a process of its own (it keeps to a few processor cores)."""

import json
import subprocess
import sys

import pytest
from nets import QonnxWriter, make_package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    net = QonnxWriter((8, 8, 1), seed=2).pixels().conv(4).norm().relu().quant(4).flatten().dense(3)
    return make_package(tmp_path_factory.mktemp("p") / "tiny", net).path


def bench(*arguments):
    command = [sys.executable, "-m", "finnspect.bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_figures_are_printed_and_written(package, tmp_path):
    done = bench(
        "--package", package, "--images", 8, "--repeats", 1, "--at-least", 0, "--json", tmp_path / "b.json"
    )
    assert done.returncode == 0, done.stderr
    assert "integer reference" in done.stdout
    figures = json.loads((tmp_path / "b.json").read_text())
    assert figures["kind"] == "measured"
    assert figures["images"] == 8
    assert 0 <= figures["rounded"] <= 4
    assert figures["macs"] == 8 * 8 * 9 * 4 + 256 * 3
    assert figures["speedup"] == pytest.approx(figures["reference_fps"] / figures["qonnx_fps"])


def test_a_slow_reference_fails(package):
    done = bench("--package", package, "--images", 8, "--repeats", 1, "--at-least", 1e9)
    assert done.returncode == 1
    assert "less than 1e+09 times" in done.stderr


def test_a_missing_package_is_an_error(tmp_path):
    done = bench("--package", tmp_path / "nothing")
    assert done.returncode == 1
    assert "not a model package" in done.stderr
