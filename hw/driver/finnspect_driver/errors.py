"""The errors a user of the driver can meet, one class for each kind of remedy."""

from __future__ import annotations

from typing import Any


class DriverError(Exception):
    """Base of every error that a user can act on.

    Parameters
    ----------
    message
        What is wrong: names the file, device or image, got and expected.
    remedy
        What to do about it; printed on its own line.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  remedy: {self.remedy}"


class DeployError(DriverError):
    """The deploy zip cannot be used.

    Attributes
    ----------
    kind : str
        ``missing``, ``not-a-zip``, ``truncated``, ``altered``, ``incomplete`` or ``version``.
    """

    def __init__(self, kind: str, message: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy)
        self.kind = kind


class ImageError(DriverError):
    """An image cannot be read, or has a shape or type that the accelerator does not take."""


class SetupError(DriverError):
    """Something that the driver needs is not installed, not chosen or not allowed."""


class WrongBoardError(DriverError):
    """The accelerator was built for another board."""


class IdentityError(DriverError):
    """The hardware is not the one of the deploy zip: other identity, interface version, build id or shape."""


class BusyError(DriverError):
    """The accelerator, or the board's logic, is in use by someone else."""


class MemoryExhaustedError(DriverError):
    """There is no contiguous memory left for the accelerator's buffers."""


class DeviceTimeoutError(DriverError):
    """The hardware did not finish in time."""


class HardwareError(DriverError):
    """The hardware reported an error.

    Attributes
    ----------
    causes : tuple of str
        Names of the causes, as in ``docs/registers.md``.
    """

    def __init__(self, message: str, remedy: str | None = None, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.causes = causes


class MismatchError(DriverError):
    """The hardware's integers are not the expected ones.

    Attributes
    ----------
    mismatches : list of Mismatch
        Every differing logit, in order of images and classes.
    """

    def __init__(self, message: str, remedy: str | None, mismatches: list[Any]) -> None:
        super().__init__(message, remedy)
        self.mismatches = mismatches
