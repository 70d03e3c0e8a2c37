"""Staircases behind other layers than a MatVec: form, parameters and memory images of ``fs_steps``.

The layouts are those in the header of ``hw/rtl/fs_steps.sv``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finnspect.emit.memory import readmemh
from finnspect.ir import Add, IntType, Staircase

#: Words of the largest table of codes.
TABLE_WORDS = 4096
#: ``fs_steps_level`` puts deeper thresholds into block RAM.
BLOCK_WORDS = 256


@dataclass(frozen=True)
class Steps:
    """A staircase on PE elements a beat.

    Parameters
    ----------
    rows
        int64, shape (sets, pe, steps): thresholds of each beat's elements; (1, 1, steps) where one
        staircase serves all channels.
    base
        Code below every threshold.
    x_type
        What is compared.
    out_type
        Type of the codes.
    """

    rows: np.ndarray
    base: int
    x_type: IntType
    out_type: IntType
    pe: int

    @classmethod
    def of(cls, activation: Staircase, channels: int, x_type: IntType, out_type: IntType, pe: int) -> Steps:
        """Return the staircase of ``channels`` channels, ``pe`` of them a beat."""
        thresholds = activation.thresholds
        if np.all(thresholds == thresholds[:1]):
            rows = thresholds[:1].reshape(1, 1, -1)
        else:
            rows = thresholds.reshape(channels // pe, pe, -1)
        return cls(rows, activation.base, x_type, out_type, pe)

    @property
    def shared(self) -> bool:
        """Whether one staircase serves all channels."""
        return self.rows.shape[:2] == (1, 1)

    @property
    def steps(self) -> int:
        """Thresholds a channel."""
        return self.rows.shape[2]

    @property
    def t_type(self) -> IntType:
        """Signed type of values and thresholds, and of one more: what is never reached."""
        low = min(self.x_type.min, int(self.rows.min()))
        high = max(int(self.rows.max()), self.x_type.max)
        return IntType.spanning(low, high, signed=True)

    def table_luts(self, address_bits: int) -> int:
        """Return about the six-input LUTs of tables with ``address_bits`` bits of value."""
        words = len(self.rows) << address_bits
        if words > TABLE_WORDS:
            return 1 << 30
        return self.pe * self.out_type.bits * _rom_luts(words)

    def search_luts(self) -> int:
        """Return about the six-input LUTs of a search."""
        width, sets = self.t_type.bits, len(self.rows)
        total = 0
        for level in range(self.steps.bit_length()):
            words = sets << level
            total += width + 1  # comparison, half of it; flip-flops that have no LUT before them
            if 1 < words <= BLOCK_WORDS:
                total += width * _rom_luts(words)
        return self.pe * total

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Return the codes of values for each row: int64 (sets, rows, values)."""
        reached = [[np.searchsorted(row, values, side="right") for row in each] for each in self.rows]
        return np.array(reached, np.int64) + self.base

    def table_images(self, prefix: str, values: np.ndarray) -> dict[str, str]:
        """Return the table files: the code of ``values[address]``, one set after another."""
        codes = self.codes(values)
        return {
            f"{name}.mem": readmemh(codes[:, row].reshape(-1, 1), self.out_type.bits)
            for row, name in enumerate(self._names(prefix))
        }

    def search_images(self, prefix: str) -> dict[str, str]:
        """Return the files of the search's levels."""
        levels = self.steps.bit_length()
        t_type = self.t_type
        full = np.full((*self.rows.shape[:2], (1 << levels) - 1), t_type.max, np.int64)
        full[:, :, : self.steps] = self.rows
        images = {}
        for level in range(levels):
            span = 1 << (levels - level)
            middle = full[:, :, span // 2 - 1 :: span]  # (sets, rows, 2**level)
            for row, name in enumerate(self._names(prefix)):
                images[f"{name}_l{level}.mem"] = readmemh(middle[:, row].reshape(-1, 1), t_type.bits)
        return images

    def _names(self, prefix: str) -> list[str]:
        return [prefix] if self.shared else [f"{prefix}_p{row:03d}" for row in range(self.pe)]

    def params(self, prefix: str, *, table: bool) -> dict[str, int | str]:
        """Return the parameters that ``fs_thresholds`` and ``fs_add`` have in common."""
        return {
            "PE": self.pe,
            "SETS": len(self.rows),
            "SHARED": int(self.shared),
            "STEPS": self.steps,
            "TABLE": int(table),
            "O_BITS": self.out_type.bits,
            "O_BASE": self.base,
            "PREFIX": prefix,
        }


def _rom_luts(words: int) -> int:
    return max(1, words // 64)


def type_values(dtype: IntType) -> np.ndarray:
    """Return the value of each bit pattern of a type, int64."""
    values = np.arange(1 << dtype.bits, dtype=np.int64)
    return np.where(values > dtype.max, values - (1 << dtype.bits), values) if dtype.signed else values


def thresholds_params(steps: Steps, prefix: str) -> tuple[dict[str, int | str], dict[str, str]]:
    """Return parameters and memory images of ``fs_thresholds``: the cheaper of table and search."""
    x_type = steps.x_type
    table = steps.table_luts(x_type.bits) <= steps.search_luts()
    params = steps.params(prefix, table=table)
    params |= {"X_BITS": x_type.bits, "X_SIGNED": int(x_type.signed), "T_BITS": steps.t_type.bits}
    if table:
        return params, steps.table_images(prefix, type_values(x_type))
    return params, steps.search_images(prefix)


def _sum_luts(layer: Add, pe: int) -> int:
    """Return about the LUTs of the weighted sum: one a bit for each further term of the shifts and adds."""
    terms = 0
    for multiplier in layer.multipliers:
        size = abs(multiplier)
        terms += (size ^ 3 * size).bit_count()  # digits of the non-adjacent form
    return pe * (terms - 1) * layer.acc_dtype.bits


def add_form(layer: Add, steps: Steps, types: tuple[IntType, IntType]) -> str:
    """Return how ``fs_add`` does its staircase, the cheapest: ``pair``, ``table`` or ``search``.

    Parameters
    ----------
    types
        Of the two inputs.
    """
    sums, acc = _sum_luts(layer, steps.pe), layer.acc_dtype.bits
    # where no sum is negative, the table's sign bit is constant and goes away
    low = sum(min(m * t.min, m * t.max) for m, t in zip(layer.multipliers, types, strict=True))
    costs = {
        "pair": steps.table_luts(types[0].bits + types[1].bits),
        "table": sums + steps.table_luts(acc - (low >= 0)),
        "search": sums + steps.search_luts(),
    }
    return min(costs, key=lambda form: costs[form])


def add_params(
    layer: Add, steps: Steps, types: tuple[IntType, IntType], prefix: str, form: str | None = None
) -> tuple[dict[str, int | str], dict[str, str]]:
    """Return the parameters of ``fs_add``'s staircase, and its memory images.

    Parameters
    ----------
    form
        ``pair``, ``table`` or ``search``; the choice of :func:`add_form` where None.
    """
    form = form or add_form(layer, steps, types)
    params = steps.params(prefix, table=form != "search") | {"PAIR": int(form == "pair")}
    if form == "search":
        return params, steps.search_images(prefix)
    if form == "table":
        return params, steps.table_images(prefix, type_values(layer.acc_dtype))
    a, b = (type_values(t) for t in types)
    first, second = layer.multipliers
    pairs = (second * b[:, None] + first * a[None, :]).reshape(-1)  # address {b, a}
    return params, steps.table_images(prefix, pairs)
