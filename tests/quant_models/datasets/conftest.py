"""Synthetic files in the layouts of real data sets."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import drawn_pictures
import numpy as np
import pytest
from finnspect.package import Preprocessing
from PIL import Image

REAL_NEU_DET = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "NEU-DET.tar.xz"


@pytest.fixture
def grey16() -> Preprocessing:
    return Preprocessing(color="grey", height=16, width=16, scale=1 / 255)


def picture(seed: int, height: int = 20, width: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_image(path: Path, seed: int, **size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "JPEG" if path.suffix in (".jpg", ".jpeg") else "PNG"
    pixels = picture(seed, **size)
    path.write_bytes(encode(pixels[..., None].repeat(3, axis=2) if kind == "JPEG" else pixels, kind))
    return path


@pytest.fixture
def neu_folder(tmp_path: Path) -> Path:
    return drawn_pictures.neu_det(tmp_path)


@pytest.fixture
def class_folder(tmp_path: Path) -> Path:
    return drawn_pictures.image_folder(tmp_path)


def pack_tar(folder: Path, path: Path, mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as tar:
        tar.add(folder, arcname=folder.name)
    return path


def pack_zip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
    return path


PACKERS: dict[str, Callable[[Path, Path], Path]] = {
    ".tar.xz": pack_tar,
    ".tar.gz": lambda folder, path: pack_tar(folder, path, "w:gz"),
    ".tar": lambda folder, path: pack_tar(folder, path, "w"),
    ".zip": pack_zip,
}


@pytest.fixture(params=sorted(PACKERS))
def packer(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    """Pack a folder into each kind of archive in turn, beside it."""
    return lambda folder: PACKERS[request.param](folder, folder.with_name(folder.name + request.param))


@pytest.fixture
def tools():
    """Give the helpers of this file to tests, which cannot import a conftest by name."""

    class Tools:
        picture = staticmethod(picture)
        encode = staticmethod(encode)
        write_image = staticmethod(write_image)
        pack_tar = staticmethod(pack_tar)
        pack_zip = staticmethod(pack_zip)

    return Tools


@pytest.fixture(scope="session")
def real_neu_det() -> Path:
    if not REAL_NEU_DET.is_file():
        pytest.skip(f"the real NEU-DET archive is not at {REAL_NEU_DET}")
    return REAL_NEU_DET
