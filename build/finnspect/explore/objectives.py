"""What a study can optimise, and figures with what kind they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from finnspect.config import unknown_name
from finnspect.errors import ConfigError

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Objective:
    """A figure that may be optimised.

    Parameters
    ----------
    title, unit
        For tables and axes.
    """

    name: str
    direction: Direction
    title: str
    unit: str

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.direction == "maximize" else -1


OBJECTIVES: Mapping[str, Objective] = {
    each.name: each
    for each in (
        Objective("accuracy", "maximize", "accuracy on validation", "share of 1"),
        Objective("fps", "maximize", "frames a second of the core", "frames/s"),
        Objective("latency", "minimize", "latency of the core", "us"),
        Objective("lut", "minimize", "LUT of the core", "LUT"),
        Objective("ff", "minimize", "flip-flops of the core", "FF"),
        Objective("bram", "minimize", "block RAMs of the core", "blocks"),
        Objective("dsp", "minimize", "multipliers of the core", "DSP"),
    )
}
DEFAULT_OBJECTIVES = ("accuracy", "fps", "lut")


def check_objectives(names: tuple[str, ...]) -> None:
    """Refuse objectives that there are not.

    Raises
    ------
    ConfigError
        An unknown name, one twice, or none.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise unknown_name("objective", name, OBJECTIVES)
    if not names or len(set(names)) != len(names):
        raise ConfigError(
            f"objectives {', '.join(names) or '(none)'}: each once, and at least one",
            f"for example --objectives {','.join(DEFAULT_OBJECTIVES)}",
        )


def figure(value: float, kind: str, **more: Any) -> dict[str, Any]:
    """Return a figure, JSON-able: its value and what it is (``estimated``, ``post-synthesis``, ...)."""
    return {"value": value, "kind": kind, **more}


def dominates(one: tuple[float, ...], other: tuple[float, ...], names: tuple[str, ...]) -> bool:
    """Return whether values ``one`` of the named objectives are nowhere worse, and somewhere better."""
    gains = [OBJECTIVES[name].sign * (a - b) for name, a, b in zip(names, one, other, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def front(rows: Mapping[int, tuple[float, ...]], names: tuple[str, ...]) -> list[int]:
    """Return the keys of ``rows`` that no other row dominates, best of the first objective first.

    Of rows with equal values the first key stays.
    """
    kept: list[int] = []
    seen: set[tuple[float, ...]] = set()
    for key in sorted(rows):
        values = rows[key]
        if values not in seen and not any(dominates(other, values, names) for other in rows.values()):
            seen.add(values)
            kept.append(key)
    sign = OBJECTIVES[names[0]].sign
    return sorted(kept, key=lambda key: (-sign * rows[key][0], key))
