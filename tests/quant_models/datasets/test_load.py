"""Loading: the registry, the cache, and one clear message for what is wrong."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from finnspect.errors import ConfigError, DataError
from finnspect.package import Preprocessing
from finnspect_driver.preprocess import preprocess
from PIL import Image

from quant_models.datasets import (
    Catalog,
    DatasetInfo,
    Sample,
    cache,
    get_dataset,
    list_datasets,
    load,
    load_dataset,
    register_dataset,
    registry,
)


@pytest.fixture
def registered(monkeypatch):
    """Register a loader for one test."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    def add(name: str, opener, **fields: object) -> None:
        info = DatasetInfo(
            name=name,
            task="t",
            description="d",
            size="s",
            licence="l",
            url=None,
            layout="its layout",
            **fields,
        )
        register_dataset(info, version=1)(opener)

    return add


def _same(a, b) -> bool:
    texts = ("name", "class_names", "groups", "sources", "sha256", "pixel_sha256", "preprocessing")
    return (
        np.array_equal(a.images, b.images)
        and np.array_equal(a.labels, b.labels)
        and all(getattr(a, f) == getattr(b, f) for f in texts)
    )


def test_the_registry_lists_every_set_in_full():
    infos = {info.name: info for info in list_datasets()}
    assert set(infos) >= {"image-folder", "neu-det", "synthetic"}
    for info in infos.values():
        assert all((info.task, info.description, info.size, info.licence, info.layout))
        assert info.url or info.name in ("image-folder", "synthetic")
        assert get_dataset(info.name).info is info


@pytest.mark.parametrize(
    ("name", "near"), [("neu_det", "neu-det"), ("NEU-DTE", "neu-det"), ("sintetic", "synth")]
)
def test_unknown_names_list_near_ones(grey16, name, near):
    with pytest.raises(ConfigError, match=f"unknown data set '{name}'\n.*did you mean '{near}"):
        load_dataset(name, None, grey16, None)


def test_a_name_near_to_none_lists_all():
    with pytest.raises(ConfigError, match=r"known data sets: .*image-folder, neu-det.*synthetic") as caught:
        get_dataset("xyz")
    assert "did you mean" not in str(caught.value)


def test_path_and_option_mistakes(grey16, tmp_path):
    with pytest.raises(ConfigError, match="reads no files"):
        load_dataset("synthetic", tmp_path, grey16, None)
    for nothing in (None, ""):
        with pytest.raises(ConfigError, match=r"needs its files\n.*DATA="):
            load_dataset("neu-det", nothing, grey16, None)
    with pytest.raises(DataError, match=r"absent does not exist\n.*remedy"):
        load_dataset("neu-det", tmp_path / "absent", grey16, None)
    with pytest.raises(ConfigError, match=r"no option 'imgs'\n.*images, seed"):
        load_dataset("synthetic", None, grey16, None, imgs=3)


def test_folder_and_archives_give_the_same(class_folder, packer, grey16, tmp_path):
    plain = load_dataset("image-folder", class_folder, grey16, None)
    packed = load_dataset("image-folder", packer(class_folder), grey16, tmp_path / "cache")
    assert [f"parts/{s}" for s in plain.sources] == list(packed.sources)
    assert np.array_equal(plain.images, packed.images) and plain.sha256 == packed.sha256


def test_images_are_the_preprocessed_files(class_folder, tmp_path):
    params = Preprocessing(color="rgb", height=7, width=9, scale=1 / 255)
    dataset = load_dataset("image-folder", class_folder, params, None)
    assert dataset.images.shape == (13, 7, 9, 3) and not dataset.images.flags.writeable
    for image, source, label in zip(dataset.images, dataset.sources, dataset.labels, strict=True):
        pixels = np.asarray(Image.open(class_folder / source))
        assert np.array_equal(image, preprocess(pixels, params.model_dump()))
        assert source.startswith(dataset.class_names[label])


def test_a_second_load_decodes_nothing(class_folder, grey16, tmp_path, monkeypatch):
    lines: list[str] = []
    first = load_dataset("image-folder", class_folder, grey16, tmp_path, lines.append)
    monkeypatch.setattr(load, "decode_image", lambda *_: pytest.fail("decoded again"))
    again = load_dataset("image-folder", class_folder, grey16, tmp_path, lines.append)
    assert _same(first, again) and not again.images.flags.writeable
    assert "from the cache" in lines[-1] and "reading" in lines[0]


def test_the_cache_follows_content_size_and_colour(class_folder, grey16, tmp_path, tools):
    load_dataset("image-folder", class_folder, grey16, tmp_path)
    other = grey16.model_copy(update={"scale": 1.0})
    load_dataset("image-folder", class_folder, other, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 1  # the scale changes no byte
    load_dataset("image-folder", class_folder, grey16.model_copy(update={"width": 8}), tmp_path)
    load_dataset("image-folder", class_folder, grey16.model_copy(update={"color": "rgb"}), tmp_path)
    tools.write_image(class_folder / "good" / "g0.png", 1234)
    changed = load_dataset("image-folder", class_folder, grey16, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 4
    pixels = tools.picture(1234)
    at = changed.sources.index("good/g0.png")
    assert np.array_equal(changed.images[at], preprocess(pixels, grey16.model_dump()))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_cache_is_made_again(class_folder, grey16, tmp_path, damage, caplog):
    first = load_dataset("image-folder", class_folder, grey16, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[damage])
    assert _same(first, load_dataset("image-folder", class_folder, grey16, tmp_path))
    assert "is damaged" in caplog.text
    caplog.clear()
    load_dataset("image-folder", class_folder, grey16, tmp_path)
    assert not caplog.text


def test_a_full_disk_is_reported_and_leaves_nothing(class_folder, grey16, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.np, "savez", full)
    with pytest.raises(DataError, match=r"No space left on device\n.*free some space"):
        load_dataset("image-folder", class_folder, grey16, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_ctrl_c_leaves_nothing(class_folder, grey16, tmp_path, monkeypatch, tools):
    archive = tools.pack_tar(class_folder, tmp_path / "set.tar.xz")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for where, what in ((cache.np, "savez"), (load, "decode_image")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(where, what, stop)
            load_dataset("image-folder", archive, grey16, tmp_path / "cache")
        assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_folder_that_cannot_be_made(class_folder, grey16, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot keep the decoded data set"):
        load_dataset("image-folder", class_folder, grey16, tmp_path / "file" / "cache")


@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_truncated_image_is_named(class_folder, grey16, tmp_path, keep):
    victim = class_folder / "good" / "g3.png"
    data = victim.read_bytes()
    victim.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(DataError, match=r"parts: good/g3\.png (is empty|cannot be decoded)") as caught:
        load_dataset("image-folder", class_folder, grey16, tmp_path / "cache")
    assert caught.value.remedy and not list(tmp_path.glob("cache/*.npz"))


def test_one_picture_in_two_classes_is_refused(class_folder, grey16):
    data = (class_folder / "good" / "g1.png").read_bytes()
    (class_folder / "bad" / "copy.png").write_bytes(data)
    with pytest.raises(DataError, match=r"bad/copy\.png \(bad\) and good/g1\.png \(good\).*two classes"):
        load_dataset("image-folder", class_folder, grey16, None)


def test_equal_pixels_in_other_files_are_found(class_folder, grey16, tools):
    grey = tools.picture(1)
    rgb = grey[..., None].repeat(3, axis=2)
    (class_folder / "good" / "again.bmp").write_bytes(tools.encode(rgb, "BMP"))
    dataset = load_dataset("image-folder", class_folder, grey16, None)
    a, b = dataset.sources.index("good/g1.png"), dataset.sources.index("good/again.bmp")
    assert dataset.pixel_sha256[a] == dataset.pixel_sha256[b] and dataset.sha256[a] != dataset.sha256[b]


def test_boxes_cut_tiles_of_one_file(registered, class_folder, grey16, tools, monkeypatch):
    boxes = [(0, 0, 10, 20), (10, 0, 24, 20), None]
    reads: list[str] = []
    decode = load.decode_image
    monkeypatch.setattr(load, "decode_image", lambda data, name: reads.append(name) or decode(data, name))
    registered(
        "tiles",
        lambda tree: Catalog(
            ("a", "b"), [Sample("good/g0.png", i % 2, "g0", box=b) for i, b in enumerate(boxes)]
        ),
        needs_path=True,
    )
    dataset = load_dataset("tiles", class_folder, grey16, None)
    pixels = tools.picture(0)
    for image, part in zip(dataset.images, (pixels[:, :10], pixels[:, 10:], pixels), strict=True):
        assert np.array_equal(image, preprocess(np.ascontiguousarray(part), grey16.model_dump()))
    assert len(reads) == 1 and len(set(dataset.sha256)) == 1 and len(set(dataset.pixel_sha256)) == 3


@pytest.mark.parametrize("box", [(0, 0, 25, 20), (-1, 0, 5, 5), (5, 5, 5, 9)])
def test_boxes_outside_are_refused(registered, class_folder, grey16, box):
    registered(
        "tiles",
        lambda tree: Catalog(("a", "b"), [Sample("good/g0.png", i, "g", box=box) for i in (0, 1)]),
        needs_path=True,
    )
    with pytest.raises(DataError, match=r"good/g0\.png: the box .* outside the picture of 24x20"):
        load_dataset("tiles", class_folder, grey16, None)


@pytest.mark.parametrize(
    ("classes", "message"), [((), "no class"), (("a",), "only the class 'a'"), (("a", "b"), "'b'")]
)
def test_too_few_or_empty_classes(registered, grey16, classes, message):
    sample = Sample("x", 0, "x", pixels=np.zeros((4, 4), np.uint8))
    registered("few", lambda tree: Catalog(classes, [sample] if classes else []))
    with pytest.raises(DataError, match=rf"few: .*{message}.*\n.*its layout"):
        load_dataset("few", None, grey16, None)


def test_a_file_that_vanishes_is_named(registered, class_folder, grey16):
    registered(
        "gone",
        lambda tree: Catalog(("a", "b"), [Sample(f"good/none{i}.png", i, "g") for i in (0, 1)]),
        needs_path=True,
    )
    with pytest.raises(DataError, match=r"none0\.png is missing"):
        load_dataset("gone", class_folder, grey16, None)


def test_a_single_image_is_no_data_set(grey16, tmp_path, tools):
    file = tools.write_image(tmp_path / "one.png", 0)
    with pytest.raises(DataError, match=r"one\.png is neither a folder nor an archive"):
        load_dataset("image-folder", Path(file), grey16, None)
