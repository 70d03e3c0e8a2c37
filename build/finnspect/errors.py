"""The errors a user of finnspect can meet, one class for each kind of remedy."""

from __future__ import annotations


class FlowError(Exception):
    """Base of every error that a user can act on.

    Parameters
    ----------
    message
        What is wrong, naming the file, node or value.
    remedy
        What to do about it; printed on its own line.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  remedy: {self.remedy}"


class DataError(FlowError):
    """A data set is missing, has another layout, or holds a file that cannot be read."""


class ConfigError(FlowError):
    """A name, option or configuration file is not valid."""


class PackageError(FlowError):
    """A model package is incomplete, altered or of another version."""


class UnsupportedModelError(FlowError):
    """A model cannot be compiled; names the node, the reason and the nearest supported form.

    Parameters
    ----------
    node
        Name of the graph node (or layer) that cannot be compiled.
    reason
        Why.
    remedy
        The nearest supported form.
    """

    def __init__(self, node: str, reason: str, remedy: str) -> None:
        super().__init__(f"node {node!r} cannot be compiled: {reason}", remedy)
        self.node = node
        self.reason = reason


class ResourceError(FlowError):
    """A design does not fit its board; says which resource and by how much."""


class ToolError(FlowError):
    """An external tool is missing or failed; carries the lines of its output that matter."""


class TimingError(ToolError):
    """Place and route finished but the clock was not met."""


class VerificationError(FlowError):
    """Two executions that must agree to the bit do not.

    Parameters
    ----------
    where
        What was compared, for example ``"rtl vs reference"``.
    layer
        First layer whose output differs.
    image
        Index of the image in the batch.
    index
        Index of the element in the layer's output tensor.
    got, expected
        The two integers.
    """

    def __init__(
        self,
        where: str,
        layer: str,
        image: int,
        index: tuple[int, ...],
        got: int,
        expected: int,
        remedy: str | None = None,
    ) -> None:
        super().__init__(
            f"{where}: first difference in layer {layer!r}, image {image}, index {tuple(index)}: "
            f"got {got}, expected {expected}",
            remedy,
        )
        self.where = where
        self.layer = layer
        self.image = image
        self.index = tuple(index)
        self.got = got
        self.expected = expected
