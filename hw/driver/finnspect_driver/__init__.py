"""Board-side package of finnspect: numpy only, plus pynq on a PYNQ board.

>>> from finnspect_driver import DefectClassifier
>>> with DefectClassifier("deploy.zip") as classifier:  # doctest: +SKIP
...     classifier.predict("images/")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finnspect_driver.classifier import DefectClassifier
    from finnspect_driver.deployzip import read_deploy
    from finnspect_driver.errors import DriverError

__all__ = ["DefectClassifier", "DriverError", "read_deploy"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazily: training and export import only the preprocessing from here.
    if name == "DefectClassifier":
        from finnspect_driver.classifier import DefectClassifier

        return DefectClassifier
    if name == "read_deploy":
        from finnspect_driver.deployzip import read_deploy

        return read_deploy
    if name == "DriverError":
        from finnspect_driver.errors import DriverError

        return DriverError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
