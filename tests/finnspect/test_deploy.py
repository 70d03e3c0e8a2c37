"""The deploy zip: the same bytes for the same contents, and every byte checked."""

import hashlib
import io
import re
import zipfile

import pytest
from dags import residual_graph
from finnspect.deploy import (
    INTERFACE_VERSION,
    AcceleratorInfo,
    Stream,
    UartLink,
    check_deployable,
    read_deploy,
    write_deploy,
)
from finnspect.errors import PackageError, UnsupportedModelError
from finnspect.package import Preprocessing
from finnspect.paths import SHELL_DIR
from hypothesis import given, settings
from hypothesis import strategies as st


def _info(**changes):
    fields = {
        "name": "tiny-random",
        "board": "ulx3s-85f",
        "part": "LFE5U-85F",
        "shell": "uart",
        "interface_version": 1,
        "build_id": "0123456789abcdef" * 2,
        "clock_mhz": 50.0,
        "input": Stream(shape=(4, 4, 1), dtype="uint8", frame_bytes=16),
        "output": Stream(shape=(1, 1, 2), dtype="int32", frame_bytes=8),
        "uart": UartLink(baud=1_000_000, protocol="docs/uart.md"),
        "logit_scale": [0.5, 0.25],
        "logit_bias": [0.0, -1.0],
        "classes": ["good", "bad"],
        "preprocessing": Preprocessing(color="grey", height=4, width=4, scale=1 / 255),
        "bitstream": "bitstream/tiny.bit",
        "cycles_per_frame": 100,
    }
    return AcceleratorInfo(**{**fields, **changes})


FILES = {"bitstream/tiny.bit": bytes(range(256)) * 8, "golden.npz": b"golden", "model/dataflow.json": b"{}"}


@pytest.fixture(scope="module")
def zip_path(tmp_path_factory):
    return write_deploy(tmp_path_factory.mktemp("deploy") / "tiny.zip", _info(), FILES)


def test_what_is_written_is_read_back(zip_path):
    info, contents = read_deploy(zip_path)
    assert info == _info()
    assert {name: contents[name] for name in FILES} == FILES
    assert {"accelerator.json", "preprocessing.json", "classes.json", "manifest.json"} <= contents.keys()


def test_a_graph_that_ends_in_an_argmax_is_refused():
    check_deployable(residual_graph())
    with pytest.raises(UnsupportedModelError, match="needs the logits") as caught:
        check_deployable(residual_graph("argmax"))
    assert caught.value.node == residual_graph("argmax").layers[-1].name


def test_the_bytes_depend_on_the_contents_alone(zip_path, tmp_path):
    (tmp_path / "golden").write_bytes(b"golden")
    files = {"golden.npz": tmp_path / "golden", **{n: d for n, d in FILES.items() if n != "golden.npz"}}
    again = write_deploy(tmp_path / "again.zip", _info(), files)
    assert again.read_bytes() == zip_path.read_bytes()


def test_any_zip_tool_reads_it(zip_path):
    with zipfile.ZipFile(zip_path) as archive:
        assert archive.testzip() is None
        assert archive.read("golden.npz") == b"golden"


@settings(max_examples=200, derandomize=True, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_altered_byte_is_caught_wherever_it_is(zip_path, tmp_path_factory, position, flip):
    data = bytearray(zip_path.read_bytes())
    data[int(position * len(data))] ^= flip
    altered = tmp_path_factory.getbasetemp() / "altered.zip"
    altered.write_bytes(data)
    with pytest.raises(PackageError):
        read_deploy(altered)


def test_the_altered_file_is_named(zip_path, tmp_path):
    data = zip_path.read_bytes()
    with zipfile.ZipFile(zip_path) as archive:
        entry = archive.getinfo("golden.npz")
    start = entry.header_offset + 30 + len(entry.filename)
    altered = tmp_path / "altered.zip"
    altered.write_bytes(data[: start + 2] + bytes([data[start + 2] ^ 1]) + data[start + 3 :])
    with pytest.raises(PackageError, match=r"altered in golden\.npz"):
        read_deploy(altered)


@pytest.mark.parametrize("keep", [0, 1, 60, 500, -1, -64, -72])
def test_a_truncated_zip_is_caught(zip_path, tmp_path, keep):
    short = tmp_path / "short.zip"
    short.write_bytes(zip_path.read_bytes()[:keep])
    with pytest.raises(PackageError, match=r"truncated|no zip file|altered"):
        read_deploy(short)


def _sealed(contents):
    """A zip whose seal is right, as someone who repacks it would make."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
        archive.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"golden.npz": b"other"}, "golden.npz was altered"),
        ({"extra.txt": b"x"}, "extra.txt is in"),
        ({"golden.npz": None}, "golden.npz is in"),
        ({"manifest.json": b"{}"}, "is no finnspect-deploy"),
        ({"manifest.json": None}, "is no finnspect-deploy"),
        ({"accelerator.json": b"{}"}, "is no finnspect-deploy"),
    ],
)
def test_a_repacked_zip_is_caught(zip_path, tmp_path, change, message):
    _, contents = read_deploy(zip_path)
    contents = {name: data for name, data in {**contents, **change}.items() if data is not None}
    path = tmp_path / "repacked.zip"
    path.write_bytes(_sealed(contents))
    with pytest.raises(PackageError, match=message):
        read_deploy(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(PackageError, match="cannot read"):
        read_deploy(tmp_path / "absent.zip")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(PackageError, match="is no zip file"):
        read_deploy(tmp_path / "text")


def test_the_bit_file_must_be_among_the_files(tmp_path):
    with pytest.raises(ValueError, match="not among"):
        write_deploy(tmp_path / "x.zip", _info(bitstream="other.bit"), FILES)
    assert not (tmp_path / "x.zip").exists()


def test_the_interface_version_is_the_hardwares():
    text = (SHELL_DIR / "fs_uart_pkg.sv").read_text()
    assert int(re.search(r"INTERFACE_VERSION = 16'd(\d+)", text).group(1)) == INTERFACE_VERSION
