"""The driver's wheel, which goes into every deploy zip: a board gets the driver that fits its hardware."""

from __future__ import annotations

import tempfile
from pathlib import Path

from finnspect.errors import FlowError
from finnspect.paths import ROOT

#: The driver's project.
DRIVER_DIR = ROOT / "hw" / "driver"


def driver_wheel() -> tuple[str, bytes]:
    """Build the wheel from the checkout's sources; the same sources give the same bytes.

    Returns
    -------
    name, data
        File name and content.

    Raises
    ------
    FlowError
        The sources are not there.
    """
    from hatchling.builders.wheel import WheelBuilder

    if not (DRIVER_DIR / "pyproject.toml").is_file():
        raise FlowError(f"the driver's sources are not in {DRIVER_DIR}", "work in a checkout of finnspect")
    with tempfile.TemporaryDirectory(prefix="finnspect-wheel-") as folder:
        (artifact,) = WheelBuilder(str(DRIVER_DIR)).build(directory=folder, versions=["standard"])
        wheel = Path(artifact)
        return wheel.name, wheel.read_bytes()
