"""The model package: the folder that training hands to the flow.

A package holds ``model.qonnx.onnx``, ``golden.npz`` and ``package.json``; the last one carries the
SHA-256 of the other two, so an altered package is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finnspect.errors import PackageError

FORMAT = "finnspect-package"
FORMAT_VERSION = 1
MODEL_FILE = "model.qonnx.onnx"
GOLDEN_FILE = "golden.npz"
INFO_FILE = "package.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Strict):
    """How a picture becomes the accelerator's uint8 input; applied by ``finnspect_driver.preprocess``."""

    color: Literal["grey", "rgb"]
    height: int = Field(ge=1, le=1024)
    width: int = Field(ge=1, le=1024)
    resize: Literal["area"] = "area"
    scale: float = Field(
        gt=0, description="real input value of pixel code 1; the model's first layer absorbs it"
    )


class PackageInfo(_Strict):
    """Contents of ``package.json``."""

    format: Literal["finnspect-package"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="<model>-<data set>")
    model: str = Field(description="topology name in the registry, for example cnv_w4a4")
    dataset: str
    classes: list[str] = Field(min_length=2)
    preprocessing: Preprocessing
    metrics: dict[str, Any] = Field(description="metrics.json of the training run, the keys it wrote")
    data_sha256: str = Field(description="hash of the split manifest: every image's hash, label and part")
    seed: int
    command: str = Field(description="command that made the package")
    versions: dict[str, str] = Field(description="package name -> version at export")
    sha256: dict[str, str] = Field(description="file name -> SHA-256 of the other files")

    @model_validator(mode="after")
    def _files(self) -> PackageInfo:
        if set(self.sha256) != {MODEL_FILE, GOLDEN_FILE}:
            raise ValueError(f"sha256 must list exactly {MODEL_FILE} and {GOLDEN_FILE}")
        return self


class Golden(_Strict):
    """Golden vectors, from executing the exported QONNX file.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C): bytes as the accelerator receives them.
    logits
        float32, shape (N, classes): output of the QONNX model's execution.
    logits_int
        int32, shape (N, classes): integer accumulators of the last layer, from the same execution.
    labels
        int64, shape (N,); -1 where there is no label.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    images: np.ndarray
    logits: np.ndarray
    logits_int: np.ndarray
    labels: np.ndarray


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ModelPackage:
    """An opened, checked model package.

    Attributes
    ----------
    path : Path
    info : PackageInfo
    """

    def __init__(self, path: Path, info: PackageInfo) -> None:
        self.path = path
        self.info = info

    @property
    def model_path(self) -> Path:
        """The QONNX file."""
        return self.path / MODEL_FILE

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of one input image."""
        p = self.info.preprocessing
        return p.height, p.width, 1 if p.color == "grey" else 3

    @property
    def digest(self) -> str:
        """SHA-256 over the package's files: what a build is keyed by."""
        return sha256_file(self.path / INFO_FILE)

    def golden(self) -> Golden:
        """Read and check the golden vectors."""
        with np.load(self.path / GOLDEN_FILE, allow_pickle=False) as npz:
            try:
                golden = Golden(**{name: npz[name] for name in Golden.model_fields})
            except KeyError as error:
                raise PackageError(
                    f"{self.path / GOLDEN_FILE} has no array {error}", "export the package again"
                ) from error
        n, classes = len(golden.images), len(self.info.classes)
        wanted = {
            "images": ((n, *self.input_shape), np.uint8),
            "logits": ((n, classes), np.float32),
            "logits_int": ((n, classes), np.int32),
            "labels": ((n,), np.int64),
        }
        for name, (shape, dtype) in wanted.items():
            array = getattr(golden, name)
            if array.shape != shape or array.dtype != dtype:
                raise PackageError(
                    f"{self.path / GOLDEN_FILE}: {name} is {array.dtype} {array.shape}, "
                    f"expected {np.dtype(dtype)} {shape}",
                    "export the package again",
                )
        return golden

    @classmethod
    def load(cls, path: Path) -> ModelPackage:
        """Open a package folder and check it.

        Raises
        ------
        PackageError
            The folder is missing, incomplete, altered, or of another format version.
        """
        info_path = path / INFO_FILE
        if not info_path.is_file():
            raise PackageError(
                f"{path} is not a model package: it has no {INFO_FILE}",
                "point to a folder made by `finnspect export`",
            )
        try:
            info = PackageInfo.model_validate_json(info_path.read_text())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise PackageError(
                f"{info_path}: {where}: {first['msg']}", "export the package again with this version"
            ) from error
        for name, digest in info.sha256.items():
            if not (path / name).is_file():
                raise PackageError(f"{path} has no {name}", "export the package again")
            if sha256_file(path / name) != digest:
                raise PackageError(
                    f"{path / name} was altered: its SHA-256 is not the one in {INFO_FILE}",
                    "export the package again",
                )
        return cls(path, info)


def write_package(path: Path, info: Mapping[str, Any], golden: Golden) -> ModelPackage:
    """Write ``golden.npz`` and ``package.json`` beside a ``model.qonnx.onnx`` that is already in ``path``.

    Parameters
    ----------
    path
        Folder that holds the QONNX file; made whole elsewhere and renamed by the caller.
    info
        Fields of :class:`PackageInfo` except ``sha256``.
    """
    np.savez_compressed(path / GOLDEN_FILE, **{name: getattr(golden, name) for name in Golden.model_fields})
    digests = {name: sha256_file(path / name) for name in (MODEL_FILE, GOLDEN_FILE)}
    document = PackageInfo.model_validate({**info, "sha256": digests})
    (path / INFO_FILE).write_text(json.dumps(document.model_dump(), indent=1, ensure_ascii=False) + "\n")
    return ModelPackage.load(path)
