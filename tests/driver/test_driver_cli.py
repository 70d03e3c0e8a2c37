"""``finnspect-board``: what it prints and how it ends, on the model of the AXI shell."""

import json
import subprocess
import sys

import numpy as np
import pytest
from driver_fakes import AxiDevice, make_zip, random_images, tiny_model
from finnspect_driver import cli, connect
from PIL import Image


@pytest.fixture
def device(monkeypatch):
    fake = AxiDevice()
    monkeypatch.setattr(connect, "_find", lambda deploy, name: fake)
    return fake


@pytest.fixture
def path(tmp_path):
    return str(make_zip(tmp_path))


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, image in enumerate(random_images(5)):
        Image.fromarray(image[..., 0]).save(pictures / f"{i}.png")
    return pictures


def test_info(device, path, capsys):
    assert cli.main(["info", path]) == 0
    text = capsys.readouterr().out
    assert "every byte as it was made" in text
    assert "pynq-z2 (xc7z020clg400-1), shell finnspect-axi" in text
    assert "hardware on fake board" in text
    assert text.count("0123456789abcdef0123456789abcdef") == 2
    assert "clock       100 MHz" in text
    assert cli.main(["info", path, "--zip-only"]) == 0
    assert "hardware" not in capsys.readouterr().out
    assert cli.main(["info", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["hardware"]["clock_hz"] == 100_000_000
    assert document["accelerator"]["name"] == "tiny-random"


def test_validate(device, path, folder, capsys):
    assert cli.main(["validate", path, "--images", str(folder)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("10 images against the golden vectors: 0 differ")
    assert second.startswith("5 images against the integer model: 0 differ")
    device.faults["flip"] = 1
    assert cli.main(["validate", path]) == 1
    text = capsys.readouterr().out
    assert "1 differ (1 logits)" in text
    assert "  image 1, class 0: got " in text
    assert cli.main(["validate", path, "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert report["wrong_images"] == [1]


def test_predict(device, path, folder, capsys):
    assert cli.main(["predict", path, str(folder), str(folder / "3.png"), "--batch", "2"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [
        *(str(folder / f"{i}.png") for i in range(5)),
        str(folder / "3.png"),
    ]
    assert lines[3][1:] == lines[5][1:]
    assert cli.main(["predict", path, str(folder), "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)
    expected = tiny_model().logits(random_images(5))
    assert np.array_equal([document["logits"] for document in documents], expected)
    assert device.live == []


def test_benchmark(device, path, capsys):
    assert cli.main(["benchmark", path, "--frames", "20"]) == 0
    assert "1,000,000.0 frames/s" in capsys.readouterr().out
    assert cli.main(["benchmark", path, "--frames", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 20


def test_errors_are_one_message_with_its_remedy(device, path, folder, tmp_path, capsys):
    assert cli.main(["info", str(tmp_path / "absent.zip")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("finnspect-board: cannot read")
    assert "remedy: check the path" in error
    assert cli.main(["predict", path, str(tmp_path / "absent.png")]) == 1
    assert "absent.png" in capsys.readouterr().err
    device.on_wait = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    assert cli.main(["predict", path, str(folder)]) == 130
    assert device.live == []


@pytest.mark.parametrize("arguments", [[], ["paint"], ["predict", "x.zip"], ["info"]])
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: finnspect-board" in capsys.readouterr().err


def test_as_a_program(path):
    run = subprocess.run(
        [sys.executable, "-m", "finnspect_driver", "info", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert "is no Zynq-7000 board" in run.stderr
    assert "Traceback" not in run.stderr
