"""The deploy zip: all that a host needs to use an accelerator, and to check that it is the right one.

The bytes are the same for the same contents. Every byte is covered: the archive's comment is the SHA-256
of everything before it, and ``manifest.json`` holds the SHA-256 of each file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finnspect.errors import PackageError, UnsupportedModelError
from finnspect.package import GOLDEN_FILE, INFO_FILE, ModelPackage, Preprocessing
from finnspect.stages import write_whole

if TYPE_CHECKING:
    from finnspect.board import Board
    from finnspect.ir import DataflowGraph

#: Version of the protocol between host and hardware; ``fs_uart_pkg.sv`` holds the same.
INTERFACE_VERSION = 1
MANIFEST_FORMAT = "finnspect-deploy"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
ACCELERATOR = "accelerator.json"
#: Folder of the emitted core: the virtual board simulates it.
CORE_DIR = "core"
_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_REMEDY = "copy the file again, or make it again with `finnspect build`"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stream(_Strict):
    """A frame at one end of the accelerator."""

    shape: tuple[int, int, int] = Field(description="height, width, channels (logits: 1, 1, classes)")
    dtype: Literal["uint8", "int32"]
    layout: Literal["NHWC"] = "NHWC"
    frame_bytes: int


class UartLink(_Strict):
    """Serial link of the ``uart`` shell."""

    baud: int
    protocol: str = Field(description="where the framing is described")


class AxiLink(_Strict):
    """Where the ``finnspect-axi`` shell sits on the processor's bus."""

    base_address: int = Field(description="of the registers")
    fclk_mhz: float = Field(description="clock that the processor must supply (FCLK0)")


class FinnLink(_Strict):
    """The two DMAs of FINN's own shell, ``finn-iodma``, and how its answers are packed."""

    idma_address: int = Field(description="of the registers of the DMA that reads images")
    odma_address: int = Field(description="of the registers of the DMA that writes answers")
    fclk_mhz: float = Field(description="clock that the processor must supply (FCLK0)")
    output_bits: int = Field(ge=1, le=32, description="bits of one logit")
    output_signed: bool
    output_pe: int = Field(ge=1, description="logits of one word; a word is padded to whole bytes")


class Reject(_Strict):
    """Rule by which a host answers ``unknown``; no rule answers always."""

    rule: Literal["none", "score-below"] = "none"
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="softmax of the best class below which it is unknown"
    )

    @model_validator(mode="after")
    def _threshold_belongs_to_the_rule(self) -> Reject:
        if (self.rule == "score-below") != (self.threshold is not None):
            raise ValueError("threshold belongs to the rule score-below, and only to it")
        return self


class AcceleratorInfo(_Strict):
    """Contents of ``accelerator.json``: what a driver must know of the hardware."""

    format: Literal["finnspect-accelerator-info"] = "finnspect-accelerator-info"
    format_version: Literal[1] = 1
    name: str
    board: str
    part: str
    shell: Literal["uart", "finnspect-axi", "finn-iodma"]
    interface_version: int = Field(description="a driver refuses another one")
    build_id: str = Field(
        pattern=r"^[0-9a-f]{32}$",
        description="the hardware answers with the same 128 bits; FINN's shell cannot, there it is the "
        "beginning of the bit file's SHA-256",
    )
    clock_mhz: float
    input: Stream
    output: Stream
    uart: UartLink | None = Field(default=None, description="only with the shell uart")
    axi: AxiLink | None = Field(default=None, description="only with the shell finnspect-axi")
    finn: FinnLink | None = Field(default=None, description="only with the shell finn-iodma")
    logit_scale: list[float] = Field(description="a class: real logit = integer logit * scale + bias")
    logit_bias: list[float]
    classes: list[str]
    ties: Literal["lowest index"] = "lowest index"
    reject: Reject = Reject()
    preprocessing: Preprocessing
    bitstream: str | None = Field(
        description="name of the bit file in the zip; null: none, only the virtual board takes the zip"
    )
    cycles_per_frame: float = Field(
        description="steady state; simulated, with the shell finn-iodma FINN's estimate"
    )

    @model_validator(mode="after")
    def _the_shells_section(self) -> AcceleratorInfo:
        sections = {"uart": self.uart, "finnspect-axi": self.axi, "finn-iodma": self.finn}
        given = [shell for shell, section in sections.items() if section is not None]
        if given != [self.shell]:
            raise ValueError(f"the shell is {self.shell}, the sections are those of {given}")
        return self


class Manifest(_Strict):
    """Contents of ``manifest.json``."""

    format: Literal["finnspect-deploy"] = MANIFEST_FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    sha256: dict[str, str]


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_deploy(path: Path, info: AcceleratorInfo, files: Mapping[str, Path | bytes]) -> Path:
    """Write a deploy zip, whole or not at all.

    Parameters
    ----------
    path
        The zip.
    info
        Becomes ``accelerator.json``, ``preprocessing.json`` and ``classes.json``.
    files
        Name in the zip -> file or content: the bit file, golden vectors, integer model.
    """
    contents = {name: data if isinstance(data, bytes) else data.read_bytes() for name, data in files.items()}
    if info.bitstream is not None and info.bitstream not in contents:
        raise ValueError(f"{info.bitstream} is not among the files {sorted(contents)}")
    contents[ACCELERATOR] = _json(info.model_dump(mode="json"))
    contents["preprocessing.json"] = _json(info.preprocessing.model_dump(mode="json"))
    contents["classes.json"] = _json(info.classes)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    contents[MANIFEST] = _json(Manifest(sha256=digests).model_dump(mode="json"))

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whatever made it
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, contents[name], compresslevel=9)
        archive.comment = _SEAL + b"0" * 64
    body = buffer.getvalue()[:-64]
    return write_whole(path, body + hashlib.sha256(body).hexdigest().encode())


def check_deployable(graph: DataflowGraph) -> None:
    """Refuse a graph whose answers no driver could read.

    Raises
    ------
    UnsupportedModelError
        It ends in an argmax: a deploy zip, its golden vectors and the driver's scores are made of logits.
    """
    from finnspect.ir import ArgMax

    last = graph.producer(graph.output)
    if isinstance(last, ArgMax):
        raise UnsupportedModelError(
            last.name,
            "the model ends in an argmax: its accelerator gives a class, a deploy zip needs the logits",
            "export the model without it; the driver takes the class of the best logit. Emission, simulation "
            "and verification take the graph as it is",
        )


def pack_build(
    path: Path,
    package: ModelPackage,
    board: Board,
    *,
    graph_dir: Path,
    core_dir: Path | None,
    bitstream_dir: Path,
    simulation: Mapping[str, Any],
) -> Path:
    """Write the deploy zip of a build.

    Parameters
    ----------
    graph_dir, core_dir, bitstream_dir
        Folders of the dataflow graph, the emitted core and the finished bitstream. The core is None where
        the hardware is FINN's own.
    simulation
        Figures of the golden simulation.

    The package's metrics may hold the reject rule under ``reject``, with the fields of :class:`Reject`.
    """
    from finnspect.board import AxiBoard, UartBoard
    from finnspect.driver_wheel import driver_wheel
    from finnspect.ir import DataflowGraph
    from finnspect.toolchains.result import BitstreamResult

    graph = DataflowGraph.load(graph_dir)
    check_deployable(graph)
    bits = BitstreamResult.load(bitstream_dir)
    height, width, channels = package.input_shape
    classes = len(package.info.classes)
    theirs = bits.finn is not None
    made = {f"bitstream/{path.name}": path for path in (bits.bitstream, bits.hwh) if path is not None}
    name = f"bitstream/{bits.bitstream.name}" if bits.bitstream is not None else None
    info = AcceleratorInfo(
        name=package.info.name,
        board=board.name,
        part=board.part.name,
        shell="finn-iodma" if theirs else board.shell,
        interface_version=INTERFACE_VERSION,
        build_id=bits.build_id,
        clock_mhz=bits.clock_mhz,
        input=Stream(shape=(height, width, channels), dtype="uint8", frame_bytes=height * width * channels),
        output=Stream(shape=(1, 1, classes), dtype="int32", frame_bytes=4 * classes),
        uart=UartLink(baud=bits.baud, protocol="docs/uart.md") if isinstance(board, UartBoard) else None,
        axi=AxiLink(base_address=board.axi.base_address, fclk_mhz=bits.clock_mhz)
        if isinstance(board, AxiBoard) and not theirs
        else None,
        finn=FinnLink.model_validate(bits.finn) if theirs else None,
        logit_scale=graph.logit_scale.tolist(),
        logit_bias=graph.logit_bias.tolist(),
        classes=package.info.classes,
        reject=Reject.model_validate(package.info.metrics.get("reject", {})),
        preprocessing=package.info.preprocessing,
        bitstream=name,
        cycles_per_frame=bits.cycles_per_frame if theirs else simulation["cycles_per_frame"],
    )
    wheel_name, wheel = driver_wheel()
    files = {
        **made,
        f"driver/{wheel_name}": wheel,
        "golden.npz": package.path / GOLDEN_FILE,
        "package.json": package.path / INFO_FILE,
        "model/dataflow.json": graph_dir / "dataflow.json",
        "model/dataflow.npz": graph_dir / "dataflow.npz",
    }
    if core_dir is not None and not theirs:
        emitted = [file for file in sorted(core_dir.rglob("*")) if file.is_file()]
        files |= {f"{CORE_DIR}/{file.relative_to(core_dir).as_posix()}": file for file in emitted}
    return write_deploy(path, info, files)


def read_deploy(path: Path) -> tuple[AcceleratorInfo, dict[str, bytes]]:
    """Check a deploy zip down to the byte, and return what it holds.

    Returns
    -------
    info, contents
        ``accelerator.json``, and every file's bytes by name.

    Raises
    ------
    PackageError
        The file is missing, truncated, altered, no deploy zip, or of another version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PackageError(f"cannot read {path}: {error.strerror}", "check the path") from error
    if not data.startswith(b"PK"):
        raise PackageError(f"{path} is no zip file", "point to the deploy zip that `finnspect build` made")
    body, seal = data[:-64], data[-_SEAL_BYTES:]
    if not seal.startswith(_SEAL):
        raise PackageError(
            f"{path} is truncated, or no finnspect deploy zip: its closing check sum is missing", _REMEDY
        )
    if hashlib.sha256(body).hexdigest().encode() != data[-64:]:
        altered = _first_altered(data)
        raise PackageError(f"{path} was altered{altered}: its SHA-256 is not the one it carries", _REMEDY)
    contents = _unzip(path, data)
    try:
        manifest = Manifest.model_validate_json(contents[MANIFEST])
        info = AcceleratorInfo.model_validate_json(contents[ACCELERATOR])
    except (KeyError, ValidationError) as error:
        raise PackageError(
            f"{path} is no {MANIFEST_FORMAT} version {FORMAT_VERSION}: {str(error).splitlines()[0]}", _REMEDY
        ) from error
    for name in sorted(manifest.sha256.keys() ^ (contents.keys() - {MANIFEST})):
        raise PackageError(f"{path}: {name} is in the manifest or in the zip, but not in both", _REMEDY)
    for name, digest in manifest.sha256.items():
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise PackageError(f"{path}: {name} was altered: its SHA-256 is not the manifest's", _REMEDY)
    if info.bitstream is not None and info.bitstream not in contents:
        raise PackageError(f"{path}: the bit file {info.bitstream} is missing", _REMEDY)
    return info, contents


def _unzip(path: Path, data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, zipfile.zlib.error) as error:
        raise PackageError(f"{path} is no readable zip file: {error}", _REMEDY) from error


def _first_altered(data: bytes) -> str:
    """Name the file whose bytes changed, where the archive can still be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bad = archive.testzip()
    except Exception:  # any damage is possible here, and all of it is reported by the caller
        return ""
    return f" in {bad}" if bad else ""
