"""From the results of FINN's builder to a bitstream of ours, and so to the deploy zip.

``python -m finnspect.toolchains.finn_builder_deploy`` packs a build folder that was run on another machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from finnspect.board import Board, load_board
from finnspect.errors import FlowError, ToolError
from finnspect.toolchains import vivado_reports
from finnspect.toolchains.finn_builder_config import OUTPUT_DIR
from finnspect.toolchains.finn_builder_folder import Handoff
from finnspect.toolchains.openxc7_bitfile import check_bit
from finnspect.toolchains.result import BitstreamResult

NAME = "finn"
#: Folder of the dataflow graph in the folder of a FINN build.
GRAPH_DIR = "reference"
_BIT, _HWH = "finn-accel.bit", "finn-accel.hwh"
_AGAIN = "run FINN's build again; its log is output/build_dataflow.log"
NOT_SIMULATED = (
    "FINN's hardware was not simulated here: cycles, latency and frames a second are FINN's estimates; the "
    "simulation that was compared with the reference is that of our core with the same folding"
)
IDENTITY = "FINN's shell has no build id: the hardware's identity is the SHA-256 of its bit file"


def notes_of(handoff: Handoff) -> tuple[str, ...]:
    """Return what a reader of the figures must know, FINN's estimates among it."""
    said = handoff.estimates
    cells = ", ".join(f"{value:.0f} {name}" for name, value in said["total"].items() if value)
    estimates = (
        f"{said['source']} (estimated): {said['max_cycles']} cycles a frame, limited by {said['slowest']}; "
        f"{said['fps']:.1f} frames a second, {said['latency_cycles']} cycles if layers took turns; {cells}"
    )
    return IDENTITY, NOT_SIMULATED, estimates


def dma_addresses(hwh: bytes) -> dict[str, int]:
    """Return the addresses of FINN's two DMAs, ``idma0`` and ``odma0``, as Vivado assigned them.

    Raises
    ------
    ToolError
        The file is no XML, or a DMA is not in it, or is there with two addresses.
    """
    try:
        root = ElementTree.fromstring(hwh)
    except ElementTree.ParseError as error:
        raise ToolError(f"FINN's .hwh is no XML: {error}", _AGAIN) from error
    found: dict[str, set[int]] = {"idma0": set(), "odma0": set()}
    for entry in root.iter("MEMRANGE"):
        if entry.get("INSTANCE") in found and entry.get("MEMTYPE", "REGISTER") == "REGISTER":
            found[entry.get("INSTANCE")].add(int(entry.get("BASEVALUE", "-1"), 0))
    for name, addresses in found.items():
        if len(addresses) != 1 or min(addresses) < 0:
            raise ToolError(f"FINN's .hwh gives {name} {len(addresses)} addresses, expected one", _AGAIN)
    return {name: next(iter(addresses)) for name, addresses in found.items()}


def check_driver_settings(settings: Mapping[str, Any], handoff: Handoff) -> None:
    """Require that FINN's own driver would use the shapes and types of the hand-off.

    Raises
    ------
    ToolError
        Names what differs, got and expected.
    """
    try:
        shapes = settings["driver_information"]["io_shape_dict"]
        got = {name: shapes[name] for name in _wanted(handoff)}
    except (KeyError, TypeError) as error:
        raise ToolError(f"FINN's settings.json lacks {error}", _AGAIN) from error
    for name, wanted in _wanted(handoff).items():
        if json.loads(json.dumps(got[name])) != wanted:
            raise ToolError(
                f"FINN's driver has {name} {got[name]}, the hand-off {wanted}: FINN changed the graph "
                "after its folding",
                "build the folder again with the version of FINN that runs it",
            )


def _wanted(handoff: Handoff) -> dict[str, Any]:
    wanted: dict[str, Any] = {"num_inputs": 1, "num_outputs": 1}
    for letter, end in (("i", handoff.input), ("o", handoff.output)):
        wanted[f"{letter}dt"] = [f"DataType['{end['datatype']}']"]
        wanted[f"{letter}dma_names"] = [f"{letter}dma0"]
        wanted |= {f"{letter}shape_{kind}": [end[kind]] for kind in ("normal", "folded", "packed")}
    return wanted


def resources_of(document: Mapping[str, Any]) -> dict[str, int]:
    """Return the cells of the whole design by our names, from FINN's ``post_synth_resources.json``."""
    try:
        top = {name: int(value) for name, value in document["(top)"].items()}
        half = top.get("BRAM_18K", 0)
        return {
            "LUT": top["LUT"],
            "FF": top["FF"],
            "BRAM36": top["BRAM_36K"] + -(-half // 2),
            "DSP48E1": top["DSP"],
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ToolError(f"FINN's post_synth_resources.json lacks {error!r}", _AGAIN) from error


def collect(folder: Path, board: Board, out_dir: Path, seconds: Mapping[str, float]) -> BitstreamResult:
    """Take over what FINN built: check it, and write bit file, ``.hwh`` and ``bitstream.json``.

    Parameters
    ----------
    folder
        Folder of a FINN build that was run.
    out_dir
        Where the three files go.
    seconds
        Step -> time it took.

    Raises
    ------
    TimingError
        The clock was missed; FINN builds a bit file all the same.
    ToolError
        A result is missing, or contradicts the hand-off.
    """
    handoff = Handoff.load(folder)
    if handoff.board != board.name:
        raise ToolError(f"{folder} is a build for {handoff.board}, not {board.name}", "name the right folder")
    output = folder / OUTPUT_DIR
    bits = output / "deploy" / "bitfile"
    data, hwh = _bytes(bits / _BIT), _bytes(bits / _HWH)
    check_bit(data, board.part.device, board.part.name, whole=False)
    addresses = dma_addresses(hwh)
    check_driver_settings(_json(output / "deploy" / "driver" / "settings.json"), handoff)
    timing = vivado_reports.parse_timing(
        _bytes(output / "report" / "post_route_timing.rpt").decode(errors="replace")
    )
    vivado_reports.check_timing(timing, handoff.clock_mhz)
    used = resources_of(_json(output / "report" / "post_synth_resources.json"))
    metadata = _json(output / "report" / "metadata_builder.json")
    out_dir.mkdir(parents=True, exist_ok=True)
    made = {suffix: out_dir / f"{board.name}{suffix}" for suffix in (".bit", ".hwh")}
    shutil.copyfile(bits / _BIT, made[".bit"])
    shutil.copyfile(bits / _HWH, made[".hwh"])
    result = BitstreamResult(
        toolchain=NAME,
        bitstream=made[".bit"],
        hwh=made[".hwh"],
        clock_mhz=handoff.clock_mhz,
        fmax_mhz=timing.fmax_mhz,
        build_id=hashlib.sha256(data).hexdigest()[:32],
        post_synthesis=used,
        critical_path=str(timing.path),
        versions={"finn-plus": handoff.finn_version, "vivado": str(metadata.get("tool_version", "unknown"))},
        tools={"post-synthesis": "Vivado (FINN)", "post-route": "Vivado (FINN)"},
        seconds=dict(seconds),
        notes=notes_of(handoff),
        cycles_per_frame=float(handoff.estimates["max_cycles"]),
        latency_cycles=float(handoff.estimates["latency_cycles"]),
        finn={
            "idma_address": addresses["idma0"],
            "odma_address": addresses["odma0"],
            "fclk_mhz": handoff.fclk_mhz,
            "output_bits": handoff.output_bits,
            "output_pe": handoff.output_pe,
            "output_signed": handoff.output["signed"],
        },
    )
    result.save(out_dir)
    return result


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"FINN's build left no {path.name}: {error.strerror} ({path})", _AGAIN) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_bytes(path))
    except ValueError as error:
        raise ToolError(f"FINN's {path} is no JSON: {error}", _AGAIN) from error


def pack_folder(folder: Path, package_dir: Path, path: Path) -> Path:
    """Write the deploy zip of a FINN build that was run, wherever that was.

    Parameters
    ----------
    folder
        Folder of the build, with FINN's results.
    package_dir
        The model package that it was made from.
    path
        The zip.
    """
    from finnspect.deploy import pack_build
    from finnspect.package import ModelPackage

    board = load_board(Handoff.load(folder).board)
    collect(folder, board, folder / "collected", {})
    return pack_build(
        path,
        ModelPackage.load(package_dir),
        board,
        graph_dir=folder / GRAPH_DIR,
        core_dir=None,
        bitstream_dir=folder / "collected",
        simulation={},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=pack_folder.__doc__.splitlines()[0])
    for name, text in (("folder", "of the FINN build"), ("package", "model package"), ("zip", "to write")):
        parser.add_argument(name, type=Path, help=text)
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(f"{pack_folder(options.folder, options.package, options.zip)}\n")
    except FlowError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
