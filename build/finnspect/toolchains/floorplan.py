"""Where the placer put the cells of each instance: a small file made from nextpnr's large netlist."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finnspect.errors import ToolError

FORMAT = "finnspect-floorplan"
FORMAT_VERSION = 1
FILE = "floorplan.json"

_BEL = re.compile(r"X(\d+)/Y(\d+)/")
#: Levels of the hierarchy that are told apart: the core's instances, and the parts of the top.
_LEVELS = 2


def read_placement(netlist: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """Return instance -> tiles, each as column, row and how many cells lie there.

    Cells of no instance, as nextpnr adds at the ends of carry chains, go by the empty name.

    Parameters
    ----------
    netlist
        What nextpnr wrote with ``--write``: each placed cell says its place in ``NEXTPNR_BEL``.
    """
    found: dict[str, Counter[tuple[int, int]]] = {}
    for module in netlist["modules"].values():
        for name, cell in module["cells"].items():
            place = _BEL.match(cell["attributes"].get("NEXTPNR_BEL", ""))
            if place:
                owner = "" if name.startswith("$") else ".".join(name.split(".")[:-1][:_LEVELS])
                found.setdefault(owner, Counter())[int(place[1]), int(place[2])] += 1
    return {
        owner: [[x, y, count] for (x, y), count in sorted(tiles.items())]
        for owner, tiles in sorted(found.items())
    }


def save_floorplan(netlist: Path, folder: Path) -> Path:
    """Write ``floorplan.json`` from nextpnr's netlist, and remove the netlist.

    Raises
    ------
    ToolError
        The netlist is missing or not as expected.
    """
    try:
        tiles = read_placement(json.loads(netlist.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolError(
            f"{netlist} is no netlist of nextpnr: {error!r}", "check the tool's version"
        ) from error
    path = folder / FILE
    path.write_text(json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, "tiles": tiles}) + "\n")
    netlist.unlink()
    return path
