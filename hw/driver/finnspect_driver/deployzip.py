"""Read a deploy zip, checked down to the byte, with numpy and the standard library alone.

The archive's comment is the SHA-256 of everything before it; ``manifest.json`` holds the SHA-256 of each
file. What ``finnspect build`` wrote is refused if a single byte differs.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from finnspect_driver.errors import DeployError

MANIFEST_FORMAT = "finnspect-deploy"
ACCELERATOR_FORMAT = "finnspect-accelerator-info"
FORMAT_VERSION = 1
SHELLS = ("uart", "finnspect-axi", "finn-iodma")

_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_COPY = "copy the file again, or make it again with `finnspect build`"
_UPDATE = "install the driver wheel that is inside this zip (driver/*.whl), or build the zip again"
_FIELDS = (
    "name",
    "board",
    "part",
    "shell",
    "interface_version",
    "build_id",
    "clock_mhz",
    "input",
    "output",
    "logit_scale",
    "logit_bias",
    "classes",
    "preprocessing",
    "bitstream",
    "cycles_per_frame",
)


class Golden:
    """Golden vectors: images as the accelerator receives them and the integers it must answer.

    Attributes
    ----------
    images : numpy.ndarray
        uint8, shape (N, H, W, C).
    logits_int : numpy.ndarray
        int32, shape (N, classes).
    labels : numpy.ndarray
        int64, shape (N,); -1 where there is no label.
    """

    def __init__(self, images: np.ndarray, logits_int: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.logits_int = logits_int
        self.labels = labels


class DeployZip:
    """A checked deploy zip.

    Parameters
    ----------
    path
        Where it was read.
    contents
        Name -> bytes of every file.

    Attributes
    ----------
    accelerator : dict
        ``accelerator.json``.
    """

    def __init__(self, path: Path, contents: Mapping[str, bytes]) -> None:
        self.path = path
        self.contents = dict(contents)
        self.accelerator: dict[str, Any] = _json(path, self.contents, "accelerator.json")
        _check_accelerator(path, self.accelerator, self.contents)

    def __repr__(self) -> str:
        return f"DeployZip({str(self.path)!r}: {self.name} for {self.board})"

    @property
    def name(self) -> str:
        """Name of the model package."""
        return self.accelerator["name"]

    @property
    def board(self) -> str:
        """Board that it was built for."""
        return self.accelerator["board"]

    @property
    def shell(self) -> str:
        """What is around the core: one of ``SHELLS``."""
        return self.accelerator["shell"]

    @property
    def build_id(self) -> str:
        """Identity of the hardware: 32 hexadecimal digits."""
        return self.accelerator["build_id"]

    @property
    def classes(self) -> list[str]:
        """Names of the classes, by index."""
        return list(self.accelerator["classes"])

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.accelerator["input"]["shape"]
        return height, width, channels

    @property
    def frame_bytes(self) -> int:
        """Bytes of one image."""
        return self.accelerator["input"]["frame_bytes"]

    @property
    def preprocessing(self) -> dict[str, Any]:
        """How a picture becomes the accelerator's input; see :mod:`finnspect_driver.preprocess`."""
        return dict(self.accelerator["preprocessing"])

    @property
    def clock_mhz(self) -> float:
        """Clock of the core."""
        return float(self.accelerator["clock_mhz"])

    @property
    def seconds_per_frame(self) -> float:
        """Time of one image in the steady state: simulated cycles at the core's clock."""
        return float(self.accelerator["cycles_per_frame"]) / (self.clock_mhz * 1e6)

    @property
    def bitstream(self) -> bytes:
        """The bit file."""
        name = self.accelerator["bitstream"]
        if name is None:
            raise DeployError(
                "incomplete",
                f"{self.path} holds no bitstream: it was built without a toolchain, for the virtual board",
                f"open it with device='virtual', or build it with a toolchain for {self.board}",
            )
        return self.contents[name]

    @property
    def hwh(self) -> bytes | None:
        """The hardware handoff file beside the bit file, None where there is none."""
        name = self.accelerator["bitstream"]
        return None if name is None else self.contents.get(Path(name).with_suffix(".hwh").as_posix())

    def file(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        DeployError
            The zip has no such file.
        """
        try:
            return self.contents[name]
        except KeyError:
            raise DeployError("incomplete", f"{self.path} has no {name}", _COPY) from None

    def golden(self) -> Golden:
        """Return the golden vectors."""
        classes = len(self.classes)
        with np.load(io.BytesIO(self.file("golden.npz")), allow_pickle=False) as npz:
            missing = sorted({"images", "logits_int", "labels"} - set(npz.files))
            if missing:
                raise DeployError("incomplete", f"{self.path}: golden.npz has no {', '.join(missing)}", _COPY)
            golden = Golden(npz["images"], npz["logits_int"], npz["labels"])
        count = len(golden.images)
        wanted = {
            "images": (golden.images, (count, *self.input_shape), np.uint8),
            "logits_int": (golden.logits_int, (count, classes), np.int32),
        }
        for name, (array, shape, dtype) in wanted.items():
            if array.shape != shape or array.dtype != dtype:
                raise DeployError(
                    "altered",
                    f"{self.path}: golden.npz: {name} is {array.dtype} {array.shape}, "
                    f"expected {np.dtype(dtype)} {shape}",
                    _COPY,
                )
        return golden


def read_deploy(path: str | PathLike[str]) -> DeployZip:
    """Read and check a deploy zip.

    Raises
    ------
    DeployError
        It is missing, no zip, truncated, altered, incomplete, or of another version.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DeployError("missing", f"cannot read {path}: {error.strerror}", "check the path") from error
    if not data.startswith(b"PK"):
        raise DeployError(
            "not-a-zip", f"{path} is no zip file", "point to the deploy zip that `finnspect build` made"
        )
    if not data[-_SEAL_BYTES:].startswith(_SEAL):
        raise DeployError(
            "truncated",
            f"{path} is truncated, or no finnspect deploy zip: its closing check sum is missing",
            _COPY,
        )
    if hashlib.sha256(data[:-64]).hexdigest().encode() != data[-64:]:
        raise DeployError("altered", f"{path} was altered: its SHA-256 is not the one it carries", _COPY)
    contents = _unzip(path, data)
    _check_manifest(path, contents)
    return DeployZip(path, contents)


def _unzip(path: Path, data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except Exception as error:  # zipfile raises many kinds on damaged input; all mean the same here
        raise DeployError("altered", f"{path} is no readable zip file: {error}", _COPY) from error


def _json(path: Path, contents: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        document = json.loads(contents[name].decode())
    except KeyError:
        raise DeployError(
            "not-a-zip", f"{path} is no finnspect deploy zip: it has no {name}", _COPY
        ) from None
    except ValueError as error:
        raise DeployError("altered", f"{path}: {name} is no JSON: {error}", _COPY) from error
    if not isinstance(document, dict):
        raise DeployError("altered", f"{path}: {name} is not a JSON object", _COPY)
    return document


def _check_format(path: Path, document: Mapping[str, Any], name: str, wanted: str) -> None:
    found = document.get("format"), document.get("format_version")
    if found != (wanted, FORMAT_VERSION):
        raise DeployError(
            "version",
            f"{path}: {name} is {found[0]} version {found[1]}, "
            f"this driver reads {wanted} version {FORMAT_VERSION}",
            _UPDATE,
        )


def _check_manifest(path: Path, contents: Mapping[str, bytes]) -> None:
    manifest = _json(path, contents, "manifest.json")
    _check_format(path, manifest, "manifest.json", MANIFEST_FORMAT)
    digests = manifest.get("sha256")
    if not isinstance(digests, dict):
        raise DeployError("altered", f"{path}: manifest.json lists no check sums", _COPY)
    for name in sorted(set(digests) ^ (set(contents) - {"manifest.json"})):
        raise DeployError(
            "altered", f"{path}: {name} is in the manifest or in the zip, but not in both", _COPY
        )
    for name, digest in sorted(digests.items()):
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise DeployError(
                "altered", f"{path}: {name} was altered: its SHA-256 is not the manifest's", _COPY
            )


def _check_accelerator(path: Path, info: Mapping[str, Any], contents: Mapping[str, bytes]) -> None:
    _check_format(path, info, "accelerator.json", ACCELERATOR_FORMAT)
    missing = [name for name in _FIELDS if name not in info]
    if missing:
        raise DeployError("incomplete", f"{path}: accelerator.json has no {', '.join(missing)}", _COPY)
    if info["shell"] not in SHELLS:
        raise DeployError(
            "version",
            f"{path}: this driver knows the shells {', '.join(SHELLS)}, not {info['shell']!r}",
            _UPDATE,
        )
    if info["bitstream"] is not None and info["bitstream"] not in contents:
        raise DeployError("incomplete", f"{path}: the bit file {info['bitstream']} is missing", _COPY)
    rule = (info.get("reject") or {}).get("rule", "none")
    if rule not in ("none", "score-below"):
        raise DeployError("version", f"{path}: the reject rule {rule!r} is unknown", _UPDATE)
    classes = len(info["classes"])
    height, width, channels = info["input"]["shape"]
    if (
        len(info["logit_scale"]) != classes
        or len(info["logit_bias"]) != classes
        or info["output"]["shape"] != [1, 1, classes]
        or info["input"]["frame_bytes"] != height * width * channels
    ):
        raise DeployError(
            "altered", f"{path}: accelerator.json contradicts itself in shapes or classes", _COPY
        )
