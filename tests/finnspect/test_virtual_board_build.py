"""A build without any toolchain: `finnspect build --toolchain none` and the virtual board."""

import json

import pytest
from finnspect import flow
from finnspect.cli import run
from finnspect.deploy import read_deploy
from finnspect.report import load_report
from finnspect_driver.classifier import DefectClassifier
from nets import make_package, random_qonnx


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return make_package(tmp_path_factory.mktemp("package") / "tiny-test", random_qonnx(3))


@pytest.mark.parametrize("board", ["pynq-z2", "ulx3s-85f"])
def test_a_zip_for_the_virtual_board(package, tmp_path, board):
    arguments = ["--package", str(package.path), "--board", board, "--toolchain", "none"]
    assert run(["build", *arguments, "--out", str(tmp_path)]) == 0
    folder = tmp_path / f"tiny-test-{board}"
    path = flow.find_deploy(folder)
    info, contents = read_deploy(path)
    bits = json.loads((folder / "bitstream" / "bitstream.json").read_text())
    assert info.bitstream is None and not [name for name in contents if name.startswith("bitstream/")]
    assert (info.board, info.build_id, info.clock_mhz) == (board, bits["build_id"], bits["clock_mhz"])
    core = folder / "rtl" / "core"
    assert {name for name in contents if name.startswith("core/")} == {
        f"core/{file.relative_to(core).as_posix()}" for file in core.rglob("*") if file.is_file()
    }
    report = load_report(folder / "report" / "report.json")
    assert report.performance.fmax is None and report.board.toolchain == "none"
    with DefectClassifier(path, device="virtual") as classifier:
        assert classifier.validate().mismatches == []
        assert classifier.info().build_id == info.build_id
        assert classifier.info().clock_hz == round(info.clock_mhz * 1e6)
