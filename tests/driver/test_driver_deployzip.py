"""The driver's own reader of deploy zips: what is wrong with a zip is said, by kind."""

import json
import zipfile

import numpy as np
import pytest
from driver_fakes import CLASSES, accelerator_json, make_zip, seal, zip_contents
from finnspect_driver.deployzip import read_deploy
from finnspect_driver.errors import DeployError, DriverError


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return make_zip(tmp_path_factory.mktemp("deploy"))


def test_what_is_in_it(good):
    deploy = read_deploy(str(good))
    assert (deploy.name, deploy.board, deploy.shell) == ("tiny-random", "pynq-z2", "finnspect-axi")
    assert deploy.classes == CLASSES
    assert deploy.input_shape == (6, 6, 1)
    assert deploy.seconds_per_frame == 1e-6
    assert deploy.bitstream == bytes(range(256)) * 4
    assert deploy.hwh is None
    golden = deploy.golden()
    assert golden.images.shape == (10, 6, 6, 1)
    assert golden.logits_int.dtype == np.int32


def test_a_handoff_file_beside_the_bit_file_is_found(tmp_path):
    deploy = read_deploy(make_zip(tmp_path, files={"bitstream/tiny.hwh": b"<x/>"}))
    assert deploy.hwh == b"<x/>"


@pytest.mark.parametrize("part", range(40))
def test_one_altered_byte_is_caught_wherever_it_is(good, tmp_path, part):
    data = bytearray(good.read_bytes())
    position = part * len(data) // 40
    data[position] ^= 1 + part
    path = tmp_path / "altered.zip"
    path.write_bytes(data)
    with pytest.raises(DeployError) as caught:
        read_deploy(path)
    assert caught.value.kind in ("altered", "not-a-zip", "truncated")
    assert caught.value.remedy


@pytest.mark.parametrize(("keep", "kind"), [(0, "not-a-zip"), (60, "truncated"), (-1, "truncated")])
def test_a_truncated_zip_is_caught(good, tmp_path, keep, kind):
    path = tmp_path / "short.zip"
    path.write_bytes(good.read_bytes()[:keep])
    with pytest.raises(DeployError) as caught:
        read_deploy(path)
    assert caught.value.kind == kind


def test_a_missing_file_and_another_file(tmp_path):
    with pytest.raises(DeployError, match="cannot read") as caught:
        read_deploy(tmp_path / "absent.zip")
    assert caught.value.kind == "missing"
    assert isinstance(caught.value, DriverError)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DeployError, match="is no zip file") as caught:
        read_deploy(tmp_path / "text")
    assert caught.value.kind == "not-a-zip"


def test_any_other_zip_is_refused(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x" * 200)
    with pytest.raises(DeployError, match="no finnspect deploy zip"):
        read_deploy(path)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"format_version": 2}, "version", "version 2, this driver reads"),
        ({"shell": "jtag"}, "version", "not 'jtag'"),
        ({"reject": {"rule": "mood"}}, "version", "'mood' is unknown"),
        ({"bitstream": "bitstream/other.bit"}, "incomplete", "other.bit is missing"),
        ({"logit_bias": [0.0]}, "altered", "contradicts itself"),
    ],
)
def test_a_zip_of_another_version_or_with_contradictions(tmp_path, change, kind, message):
    with pytest.raises(DeployError, match=message) as caught:
        read_deploy(make_zip(tmp_path, **change))
    assert caught.value.kind == kind


def test_a_zip_without_a_field_names_it(tmp_path):
    document = accelerator_json()
    del document["clock_mhz"], document["part"]
    path = tmp_path / "x.zip"
    path.write_bytes(seal({**zip_contents(), "accelerator.json": json.dumps(document).encode()}))
    with pytest.raises(DeployError, match=r"accelerator\.json has no part, clock_mhz") as caught:
        read_deploy(path)
    assert caught.value.kind == "incomplete"


def test_a_repacked_zip_is_caught(good, tmp_path):
    with zipfile.ZipFile(good) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = contents.pop("manifest.json")
    altered = {**contents, "golden.npz": b"other"}
    # Sealed anew, with the old manifest inside.
    data = seal(altered)
    with zipfile.ZipFile(__import__("io").BytesIO(data)) as archive:
        fresh = archive.read("manifest.json")
    assert fresh != manifest
    path = tmp_path / "x.zip"
    path.write_bytes(_sealed_with(altered, manifest))
    with pytest.raises(DeployError, match=r"golden\.npz was altered"):
        read_deploy(path)
    path.write_bytes(_sealed_with({**contents, "extra": b"x"}, manifest))
    with pytest.raises(DeployError, match="extra is in the manifest or in the zip"):
        read_deploy(path)


def _sealed_with(contents, manifest):
    import hashlib
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**contents, "manifest.json": manifest}.items():
            archive.writestr(name, data)
        archive.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()
