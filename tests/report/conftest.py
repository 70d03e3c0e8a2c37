"""Puts the driver tests' browser on the import path: `chromium_bench`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "driver"))
