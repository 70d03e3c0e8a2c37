"""Cells of a flattened netlist by layer: a cell's name begins with that of the instance it came from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finnspect.report.model import Figure
from finnspect.toolchains import ecp5_reports, xc7_synth

#: Netlist that yosys leaves in the folder of the bitstream.
NETLIST = "synth.json"
#: What belongs to no layer: the shell and its clocking, and what the core puts between layers.
SHELL, OTHER = "shell", "other"


def _xc7(cells: Mapping[str, int]) -> dict[str, int]:
    """Count block RAM in halves, as the estimates do: two layers can share a whole one."""
    found = xc7_synth.resources(cells)
    del found["BRAM36"]
    return found | {"BRAM18": cells.get("RAMB18E1", 0) + 2 * cells.get("RAMB36E1", 0)}


_COUNT = {"ecp5": ecp5_reports.post_synthesis, "xc7": _xc7}
_SOURCE = "yosys, by instance name; cells at the border of two layers may count for either"


def owner(cell: str, layers: Mapping[str, str], core: str = "u_core") -> str:
    """Return the layer that a cell belongs to.

    Parameters
    ----------
    cell
        Hierarchical name, as ``u_core.u_conv0.acc_q_TRELLIS_FF_Q``.
    layers
        Instance in the core -> layer.
    """
    parts = cell.lstrip("\\$").split(".")
    if core not in parts[:-1]:
        return SHELL
    inner = parts[parts.index(core) + 1]
    return layers.get(inner, OTHER)


def instance_layers(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return instance -> layer, of the manifest of an emitted core."""
    return {each["name"]: each["layer"] for each in manifest["instances"] if each.get("layer")}


def cells_by_layer(netlist: Path, layers: Mapping[str, str], family: str) -> dict[str, dict[str, Figure]]:
    """Return layer -> cell -> figure, post-synthesis; empty where there is no netlist of yosys.

    Parameters
    ----------
    netlist
        JSON file of yosys.
    layers
        Instance in the core -> layer.
    family
        ``ecp5`` or ``xc7``.
    """
    try:
        modules = json.loads(netlist.read_text())["modules"]
    except (OSError, ValueError, KeyError):
        return {}
    top = next((each for each in modules.values() if int(each["attributes"].get("top", "0"), 2)), None)
    if top is None or not any("u_core." in name for name in top["cells"]):
        return {}
    found: dict[str, Counter[str]] = {}
    for name, cell in top["cells"].items():
        found.setdefault(owner(name, layers), Counter())[cell["type"]] += 1
    count = _COUNT[family]
    return {
        layer: {
            name: Figure(value=used, unit="cells", kind="post-synthesis", source=_SOURCE)
            for name, used in count(cells).items()
        }
        for layer, cells in sorted(found.items())
    }
