"""Puts the driver tests' browser on the import path, and builds a small network once for all tests here."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from finnspect.errors import FlowError
from finnspect.flow import BuildRequest, BuildResult, build
from nets import make_package, random_qonnx

sys.path.append(str(Path(__file__).parents[1] / "driver"))


@dataclass(frozen=True)
class SmallBuild:
    """A build that failed at first, and then went well.

    Attributes
    ----------
    folder
        Holds ``package`` and ``out``.
    error, failed
        Of the first; name -> text of the files of its report.
    """

    folder: Path
    error: FlowError
    failed: dict[str, str]
    result: BuildResult


@pytest.fixture(scope="session")
def small_build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    make_package(folder / "package", random_qonnx(3))
    request = BuildRequest(str(folder / "package"), "ulx3s-85f", "none", out=folder / "out")
    impossible = BuildRequest(
        str(folder / "package"), "ulx3s-85f", "none", out=folder / "out", target_fps=1e9
    )
    with pytest.raises(FlowError) as caught:
        build(impossible)
    failed = {
        file.name: file.read_text()
        for file in (folder / "out" / "tiny-test-ulx3s-85f" / "report.failed").iterdir()
    }
    (folder / "out" / "report.failed").mkdir()  # as of one that was refused before it
    return SmallBuild(folder, caught.value, failed, build(request))
