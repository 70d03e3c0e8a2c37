"""Which addresses of the virtual board's memory are taken: what a kernel's contiguous allocator does."""

from __future__ import annotations

from finnspect.errors import FlowError

#: A page of the processor: buffers begin on one and take whole ones.
PAGE = 4096
#: Where PYNQ's images keep contiguous memory, and how much of it.
BASE = 0x1680_0000
SIZE = 128 << 20


class OutOfMemoryError(FlowError):
    """There is no free range of addresses that is large enough."""


class MemoryPool:
    """Hands out page-aligned ranges of addresses, lowest first.

    A page stays free between two ranges, so that an access beyond a buffer meets no memory.

    Parameters
    ----------
    base, size
        The addresses to hand out, in bytes.
    """

    def __init__(self, base: int = BASE, size: int = SIZE) -> None:
        self.base = base
        self.size = size
        self._taken: dict[int, int] = {}

    @property
    def taken_bytes(self) -> int:
        """Bytes handed out."""
        return sum(self._taken.values())

    def take(self, size: int) -> tuple[int, int]:
        """Return address and length, in bytes, of a range that holds ``size`` bytes.

        Raises
        ------
        OutOfMemoryError
            There is none.
        """
        length = -(-max(size, 1) // PAGE) * PAGE
        address = self.base
        for start, taken in sorted(self._taken.items()):
            if address + length <= start - PAGE:
                break
            address = start + taken + PAGE
        if address + length > self.base + self.size:
            raise OutOfMemoryError(
                f"no contiguous {size} bytes are free: {self.taken_bytes} of {self.size} bytes are taken by "
                f"{len(self._taken)} buffers",
                "free buffers, or use smaller batches",
            )
        self._taken[address] = length
        return address, length

    def give_back(self, address: int) -> None:
        """Free the range at ``address``."""
        del self._taken[address]
