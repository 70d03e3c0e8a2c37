"""What FINN's analytical models say of a design: cycles and resources, all of it estimated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finnspect.errors import ToolError

_UNITS = ("LUT", "BRAM_18K", "DSP", "URAM")


@dataclass(frozen=True)
class FinnEstimates:
    """FINN's estimates; no tool of the vendor was asked.

    Parameters
    ----------
    cycles
        Node -> cycles a frame.
    resources
        Node -> cells by name (``LUT``, ``BRAM_18K``, ``DSP``, ``URAM``).
    total
        Cells of all nodes.
    max_cycles, slowest
        Cycles a frame of the slowest node, and its name.
    latency_cycles
        From the first pixel to the last logit, the layers one after the other.
    fps
        Frames a second at the clock of the build.
    """

    cycles: dict[str, int]
    resources: dict[str, dict[str, float]]
    total: dict[str, float]
    max_cycles: int
    slowest: str
    latency_cycles: int
    fps: float
    kind: str = "estimated"
    source: str = "FINN's estimates"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def read_estimates(folder: Path, nodes: Mapping[str, tuple[str, ...]]) -> FinnEstimates:
    """Read the reports of FINN's ``step_generate_estimate_reports``.

    Parameters
    ----------
    folder
        FINN's ``report`` folder.
    nodes
        Layer -> names of FINN's nodes; each must be in the reports.

    Raises
    ------
    ToolError
        A report is missing, is no JSON, or lacks a node or a figure.
    """
    cycles = _load(folder / "estimate_layer_cycles.json")
    resources = _load(folder / "estimate_layer_resources.json")
    network = _load(folder / "estimate_network_performance.json")
    names = [node for each in nodes.values() for node in each]
    try:
        return FinnEstimates(
            cycles={name: int(cycles[name]) for name in names},
            resources={name: _cells(resources[name]) for name in names},
            total=_cells(resources["total"]),
            max_cycles=int(network["max_cycles"]),
            slowest=str(network["max_cycles_node_name"]),
            latency_cycles=int(network["critical_path_cycles"]),
            fps=float(network["estimated_throughput_fps"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError(
            f"FINN's reports in {folder} lack a figure: {error!r}", "FINN changed its reports: report this"
        ) from error


def _cells(document: Mapping[str, Any]) -> dict[str, float]:
    return {unit: float(document[unit]) for unit in _UNITS}


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ToolError(f"FINN wrote no readable report {path.name}: {error}", "see FINN's log") from error
    if not isinstance(document, dict):
        raise ToolError(f"FINN's report {path} is no JSON object", "FINN changed its reports: report this")
    return document
