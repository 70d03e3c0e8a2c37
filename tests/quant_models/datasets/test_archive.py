"""Archives: unpacked only where they may be, and refused with a reason otherwise."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from finnspect.errors import DataError

from quant_models.datasets.archive import opened
from quant_models.datasets.files import fingerprint, walk


def _tar(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def _refused(path: Path, match: str, scratch: Path) -> None:
    with pytest.raises(DataError, match=match) as caught, opened(path, scratch):
        pass
    assert str(path) in caught.value.message and caught.value.remedy
    assert list(scratch.iterdir()) == []


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_every_kind_gives_the_same_files(class_folder, packer, scratch):
    archive = packer(class_folder)
    with opened(archive, scratch) as tree:
        assert tree.origin == archive
        assert walk(tree.folder / class_folder.name) == walk(class_folder)
        for name in tree.at(class_folder.name).all_files():
            assert (tree.folder / class_folder.name / name).read_bytes() == (class_folder / name).read_bytes()
    assert list(scratch.iterdir()) == []


def test_a_folder_is_read_in_place(class_folder, scratch):
    with opened(class_folder, scratch) as tree:
        assert tree.folder == class_folder


def test_skipped_members_are_not_written(neu_folder, packer, scratch):
    with opened(packer(neu_folder), scratch, skip="(^|/)ANNOTATIONS/") as tree:
        names = tree.all_files()
    assert names and all("/IMAGES/" in name for name in names)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil"])
def test_members_outside_are_refused(tmp_path, scratch, name):
    _refused(_tar(tmp_path / "a.tar", (name, b"x")), "points outside", scratch)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    _refused(tmp_path / "a.zip", "points outside", scratch)
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, scratch, kind):
    info = tarfile.TarInfo("set/link")
    info.type, info.linkname = kind, "../../secret"
    _refused(_tar(tmp_path / "a.tar", info), "link or a device", scratch)


def test_a_member_that_is_there_twice_is_refused(tmp_path, scratch):
    _refused(_tar(tmp_path / "a.tar", ("x.png", b"1"), ("x.png", b"2")), "twice", scratch)


def test_truncated_archives_are_refused(class_folder, packer, scratch):
    archive = packer(class_folder)
    data = archive.read_bytes()
    end = data.rstrip(b"\0")  # a plain tar is padded
    for keep in (0.3, 0.6, 0.9):
        archive.write_bytes(data[: int(keep * len(end))])
        _refused(archive, "damaged|neither a folder nor an archive", scratch)


def test_a_tar_cut_between_two_members_is_refused(tmp_path, scratch):
    archive = _tar(tmp_path / "a.tar", ("a.png", b"1"), ("b.png", b"2"))
    with tarfile.open(archive) as tar:
        second = tar.getmembers()[1].offset
    archive.write_bytes(archive.read_bytes()[:second])
    _refused(archive, "damaged: it stops before its end mark", scratch)


@pytest.mark.parametrize("at", [0, 148, 300])
def test_an_altered_header_in_the_middle_is_refused(tmp_path, scratch, at):
    archive = _tar(tmp_path / "a.tar", ("a.png", b"1"), ("b.png", b"2"))
    data = bytearray(archive.read_bytes())
    data[1024 + at] ^= 0x55
    archive.write_bytes(data)
    _refused(archive, "damaged: it stops before its end mark", scratch)


def test_altered_archives_are_refused(class_folder, scratch, tools):
    for archive in (
        tools.pack_tar(class_folder, class_folder.with_suffix(".tar.xz")),
        tools.pack_zip(class_folder, class_folder.with_suffix(".zip")),
    ):
        data = bytearray(archive.read_bytes())
        data[len(data) // 3] ^= 0xFF
        archive.write_bytes(data)
        _refused(archive, "damaged|twice|outside", scratch)


@pytest.mark.parametrize("name", ["notes.txt", "NEU-DET.tar.xz", "set.zip", "set.rar"])
def test_files_that_are_no_archive_are_refused(tmp_path, scratch, name):
    (tmp_path / name).write_bytes(b"Rar!\x1a\x07 or anything else")
    _refused(tmp_path / name, "neither a folder nor an archive", scratch)


def test_a_locked_zip_is_refused(tmp_path, scratch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"x" * 50)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[6] |= 1  # local header: encrypted
    data[data.index(b"PK\x01\x02") + 8] |= 1  # central directory: encrypted
    (tmp_path / "a.zip").write_bytes(data)
    _refused(tmp_path / "a.zip", "password", scratch)


def test_desktop_leftovers_are_left_out(tmp_path, scratch):
    archive = _tar(
        tmp_path / "a.tar",
        ("s/a.png", b"1"),
        ("s/._a.png", b"2"),
        ("__MACOSX/s/b", b"3"),
        ("s/.DS_Store", b"4"),
    )
    with opened(archive, scratch) as tree:
        assert tree.all_files() == ["s/a.png"]


def test_a_scratch_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    archive = _tar(tmp_path / "a.tar", ("a", b"1"))
    with pytest.raises(DataError, match="cannot write"), opened(archive, tmp_path / "file" / "x"):
        pass


def test_the_fingerprint_follows_content_and_names(class_folder):
    before = fingerprint(class_folder)
    assert fingerprint(class_folder) == before
    (class_folder / "good" / "g0.png").rename(class_folder / "good" / "g9.png")
    renamed = fingerprint(class_folder)
    (class_folder / "good" / "g9.png").write_bytes(b"changed")
    changed = fingerprint(class_folder)
    (class_folder / "empty").mkdir()
    assert len({before, renamed, changed, fingerprint(class_folder)}) == 4


def test_linked_folders_are_followed_but_not_in_circles(class_folder, tmp_path, tools):
    tools.write_image(tmp_path / "elsewhere" / "x.png", 5)
    (class_folder / "linked").symlink_to(tmp_path / "elsewhere")
    assert ("linked/x.png", False) in walk(class_folder)
    (class_folder / "good" / "circle").symlink_to(class_folder)
    with pytest.raises(DataError, match="link to a folder above"):
        walk(class_folder)


def test_names_that_are_not_unicode_are_refused(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "caf\udce9.png").write_bytes(b"x")
    with pytest.raises(DataError, match="rename"):
        walk(tmp_path / "s")
