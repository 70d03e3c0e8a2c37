"""What a study chooses from: families, widths, bits, and what the folding aims for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from finnspect.errors import ConfigError

if TYPE_CHECKING:
    import optuna

#: What a folding can aim for: a share of the board, cycles a frame, or frames a second.
Goal = Literal["budget", "target_cycles", "target_fps"]
#: One choice: parameter -> value.
Point = Mapping[str, str | int | float]
_PARAMETERS = ("family", "width", "weight_bits", "act_bits")


class Space(BaseModel):
    """The choices of a study; every combination is a point.

    Parameters
    ----------
    families
        Model families of the registry.
    widths
        What a family's numbers of channels are multiplied by.
    weight_bits, act_bits
        Bits of weights and activations.
    goal
        What ``goals`` are: shares of what the board's core may take, of which the fastest folding is
        built; or cycles a frame, or frames a second, for which the cheapest is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    families: tuple[str, ...] = Field(min_length=1)
    widths: tuple[float, ...] = Field(min_length=1)
    weight_bits: tuple[int, ...] = Field(min_length=1)
    act_bits: tuple[int, ...] = Field(min_length=1)
    goal: Goal
    goals: tuple[float, ...] = Field(min_length=1)

    @field_validator("families", "widths", "weight_bits", "act_bits", "goals")
    @classmethod
    def _each_once(cls, values: tuple) -> tuple:
        return tuple(sorted(set(values)))

    def choices(self) -> dict[str, tuple]:
        """Return the values of every parameter."""
        values = (self.families, self.widths, self.weight_bits, self.act_bits)
        return dict(zip(_PARAMETERS, values, strict=True)) | {self.goal: self.goals}

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(len(values) for values in self.choices().values())

    def points(self) -> Iterator[dict[str, str | int | float]]:
        """Return every point."""
        choices = self.choices()
        for values in product(*choices.values()):
            yield dict(zip(choices, values, strict=True))

    def suggest(self, trial: optuna.Trial) -> dict[str, str | int | float]:
        """Let a trial choose a point."""
        return {name: trial.suggest_categorical(name, values) for name, values in self.choices().items()}

    def check(self) -> None:
        """Refuse a space in which no model exists, or a goal that means nothing.

        Raises
        ------
        ConfigError
            An unknown family, a width or bits of which no model is possible, a goal out of range.
        """
        from quant_models.models import parse_name

        errors, possible = [], 0
        names = {model_of(point) for point in self.points()}
        for name in sorted(names):
            try:
                parse_name(name)
                possible += 1
            except ConfigError as error:
                if error.message.startswith("unknown model"):
                    raise
                errors.append(error)
        if not possible:
            raise errors[0]
        for value in self.goals:
            if value <= 0 or (self.goal == "budget" and value > 1):
                raise ConfigError(
                    f"{self.goal} {value:g} is out of range",
                    "shares of the board are above 0 and at most 1: --budget 0.25,0.5,1"
                    if self.goal == "budget"
                    else "use a number above 0",
                )


def model_of(point: Point) -> str:
    """Return the name of a point's model."""
    from quant_models.models import model_name

    return model_name(point["family"], point["width"], point["weight_bits"], point["act_bits"])


def describe(point: Point) -> str:
    """Return a point in words: ``cnv-x0.5_w4a4, budget 0.5``."""
    goal = next(name for name in ("budget", "target_cycles", "target_fps") if name in point)
    return f"{model_of(point)}, {goal.replace('_', ' ')} {point[goal]:g}"


def nearest_new(space: Space, point: Point, taken: Sequence[Point]) -> list[dict[str, str | int | float]]:
    """Return the points not among ``taken`` that differ from ``point`` in fewest parameters."""
    gone = {tuple(sorted(each.items())) for each in taken}
    new = [each for each in space.points() if tuple(sorted(each.items())) not in gone]
    if not new:
        return []

    def distance(each: Point) -> int:
        return sum(each[name] != point[name] for name in each)

    least = min(map(distance, new))
    return [each for each in new if distance(each) == least]
