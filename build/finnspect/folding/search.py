"""The search for a folding: the cheapest that meets a target, the fastest that a board can hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import inf, lcm

import numpy as np

from finnspect import analysis
from finnspect.analysis import ECP5, Resources, Technology
from finnspect.errors import ConfigError, ResourceError
from finnspect.folding.attributes import Folding, LayerFolding
from finnspect.folding.check import allowed, check_folding
from finnspect.folding.options import units
from finnspect.ir import DataflowGraph

logger = logging.getLogger(__name__)

#: LUTs that a hard multiplier, and a block RAM, count for: tried in this order while one of them runs short.
_DSP_PRICES = (0, 6, 12, 24, 48, 96, inf)
_BRAM_PRICES = (0, 60, 200, 800)
#: Rounds of choosing each layer's folding anew beside the present ones of its neighbours.
_ROUNDS = 3


@dataclass(frozen=True)
class Budget:
    """What a core may take.

    Parameters
    ----------
    board
        For messages.
    tech
        Technology of the estimates.
    limits
        What the core may take (``bram_bits`` is not looked at).
    """

    board: str
    tech: Technology
    limits: Resources

    def short(self, total: Resources) -> str | None:
        """Return the resource that ``total`` exceeds by the largest factor, None where all fit."""
        over = {}
        for name in ("lut", "ff", "bram", "dsp"):
            need, limit = getattr(total, name), getattr(self.limits, name)
            if need > limit:
                over[name] = need / max(limit, 1)
        return max(over, key=lambda name: over[name]) if over else None


@dataclass(frozen=True)
class Found:
    """A folding and what it is estimated to take."""

    folding: Folding
    cycles: int
    parts: dict[str, Resources]

    @property
    def total(self) -> Resources:
        """All parts together."""
        return sum(self.parts.values(), Resources())


def full_folding(graph: DataflowGraph) -> Folding:
    """Return the folding with every attribute at its largest: the fastest the graph can be."""
    return Folding(
        tuple(
            (layer.name, LayerFolding(**{k: v[-1] for k, v in allowed(layer, graph).items()}))
            for layer in graph
        )
    )


def conversion_steps(producer: int, consumer: int) -> int:
    """Return how many width converters join a stream of ``producer`` elements to ``consumer`` (0 to 2)."""
    if producer in (0, consumer):
        return 0
    return 1 if lcm(producer, consumer) in (producer, consumer) else 2


class Search:
    """The search over one graph in one technology.

    Parameters
    ----------
    dsp_budget
        Hard multipliers that emission may use.
    """

    def __init__(self, graph: DataflowGraph, tech: Technology = ECP5, dsp_budget: int = 0) -> None:
        self.graph, self.tech, self.dsp_budget = graph, tech, dsp_budget
        self.units = units(graph, tech)
        self._maker = {unit.layer.output: index for index, unit in enumerate(self.units)}
        self._readers: dict[int, list[int]] = {}
        for index, unit in enumerate(self.units):
            for source in unit.sources:
                if source in self._maker:
                    self._readers.setdefault(self._maker[source], []).append(index)
        costs = analysis.load_costs(tech)

        @cache
        def conversion(made: int, taken: int, bits: int) -> int:
            terms = analysis.converters(made, taken, bits)
            return sum(costs.resources(each, tech).lut for each in terms)

        self._conversion = conversion

    @property
    def fastest_bound(self) -> analysis.Bound:
        """The bound with every attribute at its largest: no folding is faster."""
        name, cycles = self.graph.output, self.graph.tensors[self.graph.output].size
        for unit in self.units:
            if unit.cycles.min() > cycles:
                name, cycles = unit.layer.name, int(unit.cycles.min())
        return analysis.Bound(name, cycles)

    def _pairs(self, made: np.ndarray, taken: np.ndarray, tensor: str) -> np.ndarray:
        """Return the LUTs of conversion between each of ``made`` and each of ``taken`` elements a beat."""
        bits = self.graph.tensors[tensor].dtype.bits
        return np.array([[self._conversion(int(m), int(t), bits) for t in taken] for m in made])

    def choose(self, target_cycles: int, dsp_price: float = 0, bram_price: float = 0) -> Folding | None:
        """Return a cheap folding with no layer slower than the target, None where one cannot be that fast.

        Parameters
        ----------
        dsp_price, bram_price
            LUTs that a hard multiplier and a block RAM count for.
        """
        costs = []
        for unit in self.units:
            soft = unit.soft[:, 0] + bram_price * unit.soft[:, 1]
            cost = soft
            if dsp_price < inf:
                hard = unit.hard[:, 0] + bram_price * unit.hard[:, 1] + dsp_price * unit.hard[:, 2]
                cost = np.minimum(soft, hard)
            if unit.layer.output == self.graph.output:  # logits leave one by one
                makes, where = np.unique(unit.makes, return_inverse=True)
                cost = cost + self._pairs(makes, np.array([1]), unit.layer.output)[:, 0][where]
            cost = np.where(unit.cycles <= target_cycles, cost + 1e-3 * unit.work, inf)
            if not np.isfinite(cost).any():
                return None
            costs.append(cost)
        chosen = self._by_messages(costs)
        if any(len(readers) > 1 for readers in self._readers.values()):
            self._improve(costs, chosen)
        return self._folding(chosen)

    def _by_messages(self, costs: Sequence[np.ndarray]) -> list[int]:
        """Return the cheapest choice of all units, exact where no tensor forks.

        Each unit tells its first reader what each width it could put out costs, all before it included.
        """
        told: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}  # maker: widths, costs, choices
        best_width: dict[tuple[int, str], np.ndarray] = {}  # unit, source: the maker's width, a folding
        for index, unit in enumerate(self.units):
            cost = costs[index].copy()
            for source in unit.sources:
                maker = self._maker.get(source)
                if maker is None or self._readers[maker][0] != index:
                    continue
                widths, before, _ = told[maker]
                taken, where = np.unique(unit.takes, return_inverse=True)
                total = before[:, None] + self._pairs(widths, taken, source)
                cost += total.min(axis=0)[where]
                best_width[index, source] = total.argmin(axis=0)[where]
            widths = np.unique(unit.makes)
            choices = [np.where(unit.makes == width, cost, inf).argmin() for width in widths]
            told[index] = widths, cost[choices], np.array(choices)
        chosen = [int(told[i][2][told[i][1].argmin()]) for i in range(len(self.units))]
        for index in reversed(range(len(self.units))):  # a reader is fixed before its makers
            for source in self.units[index].sources:
                if (index, source) in best_width:
                    maker = self._maker[source]
                    chosen[maker] = int(told[maker][2][best_width[index, source][chosen[index]]])
        return chosen

    def _improve(self, costs: Sequence[np.ndarray], chosen: list[int]) -> None:
        """Choose each unit anew beside the present choices of its neighbours, until nothing changes."""
        for _ in range(_ROUNDS):
            before = list(chosen)
            for index, unit in enumerate(self.units):
                total = costs[index].copy()
                takes, makes = (np.unique(each, return_inverse=True) for each in (unit.takes, unit.makes))
                for source in unit.sources:
                    maker = self._maker.get(source)
                    if maker is not None:
                        made = self.units[maker].makes[chosen[maker]]
                        total += self._pairs(np.array([made]), takes[0], source)[0][takes[1]]
                for reader in self._readers.get(index, ()):
                    taken = self.units[reader].takes[chosen[reader]]
                    total += self._pairs(makes[0], np.array([taken]), unit.layer.output)[:, 0][makes[1]]
                chosen[index] = int(np.argmin(total))
            if chosen == before:
                break

    def _folding(self, chosen: Sequence[int]) -> Folding:
        found: dict[str, LayerFolding] = {}
        for unit, index in zip(self.units, chosen, strict=True):
            found |= unit.chosen(index)
        return Folding.of({layer.name: found[layer.name] for layer in self.graph})

    def estimate(self, folding: Folding) -> Found:
        """Return a folding with its bound and estimated resources, as emission will build it."""
        bound = analysis.folding_bound(self.graph, folding)
        parts = analysis.graph_resources(self.graph, folding, self.tech, self.dsp_budget)
        return Found(folding, bound.cycles, parts)

    def _priced(self, target_cycles: int) -> Iterator[Found]:
        seen = set()
        for bram_price, dsp_price in product(_BRAM_PRICES, _DSP_PRICES):
            folding = self.choose(target_cycles, dsp_price, bram_price)
            if folding is not None and folding not in seen:
                seen.add(folding)
                yield self.estimate(folding)

    def within(self, target_cycles: int, budget: Budget, *, best: bool = False) -> Found | None:
        """Return a folding for the target that fits: the first, or with ``best`` that of fewest LUTs."""
        fitting = (found for found in self._priced(target_cycles) if budget.short(found.total) is None)
        if not best:
            return next(fitting, None)
        return min(fitting, key=lambda found: found.total.lut, default=None)

    def fastest(self, budget: Budget) -> Found:
        """Return the folding of fewest cycles a frame that fits.

        Raises
        ------
        ResourceError
            Not even the slowest folding fits: says which resource is short and which layer takes most.
        """
        targets = np.unique(np.concatenate([unit.cycles for unit in self.units]))
        targets = targets[targets >= self.fastest_bound.cycles]
        low, high = 0, len(targets) - 1
        found = self.within(int(targets[high]), budget)
        if found is None:
            raise self.does_not_fit(budget, int(targets[high]))
        while low < high:  # the slowest is known to fit
            middle = (low + high) // 2
            trial = self.within(int(targets[middle]), budget)
            if trial is None:
                low = middle + 1
            else:
                found, high = trial, middle
        return self.within(found.cycles, budget, best=True) or found

    def does_not_fit(self, budget: Budget, target_cycles: int) -> ResourceError:
        """Return the error for a target that no folding within the budget meets."""
        found = min(self._priced(target_cycles), key=lambda each: each.total.lut)
        name = budget.short(found.total) or "lut"
        need, limit = getattr(found.total, name), getattr(budget.limits, name)
        largest = max(found.parts, key=lambda part: getattr(found.parts[part], name))
        return ResourceError(
            f"{self.graph.name} does not fit {budget.board} in {target_cycles} cycles a frame: it needs an "
            f"estimated {need} {name.upper()}, {need - limit} more than the {limit} that the core may take; "
            f"layer {largest!r} takes most, {getattr(found.parts[largest], name)}",
            "use fewer bits or channels, or choose a larger board",
        )


def choose_folding(graph: DataflowGraph, target_cycles: int, tech: Technology = ECP5) -> Folding:
    """Return a cheap folding of which no layer needs more than ``target_cycles`` a frame.

    Cheap is by estimated LUTs, width converters included, multipliers in LUTs.

    Raises
    ------
    ConfigError
        The target cannot be met; names the layer that limits and the best target that can.
    """
    search = Search(graph, tech)
    check_target(search, target_cycles)
    folding = search.choose(target_cycles, dsp_price=inf)
    assert folding is not None
    check_folding(graph, folding)
    bound = analysis.folding_bound(graph, folding)
    assert bound.cycles <= target_cycles, bound
    logger.info("folding of %s: %d cycles a frame, limited by %s", graph.name, bound.cycles, bound.layer)
    return folding


def check_target(search: Search, target_cycles: int, words: str = "") -> None:
    """Refuse a target that no folding meets, whatever the board.

    Raises
    ------
    ConfigError
        Names the layer that limits and the best target that can be met.
    """
    best = search.fastest_bound
    if target_cycles < best.cycles:
        raise ConfigError(
            f"{search.graph.name} cannot run in {target_cycles} cycles a frame{words}: layer {best.layer!r} "
            f"needs {best.cycles} even at its largest PE and SIMD",
            f"ask for {best.cycles} cycles or more",
        )


def fastest_folding(graph: DataflowGraph, budget: Budget) -> Found:
    """Return the folding of fewest cycles a frame that a budget allows.

    Raises
    ------
    ResourceError
        No folding fits; says which resource is short.
    """
    found = Search(graph, budget.tech, budget.limits.dsp).fastest(budget)
    check_folding(graph, found.folding)
    return found


def cheapest_folding(graph: DataflowGraph, target_cycles: int, budget: Budget) -> Found:
    """Return the folding of fewest LUTs that meets a target within a budget.

    Raises
    ------
    ConfigError
        No folding is that fast; names the layer.
    ResourceError
        None that is fits; names the resource and the layer, and the best that can be had.
    """
    search = Search(graph, budget.tech, budget.limits.dsp)
    check_target(search, target_cycles)
    found = search.within(target_cycles, budget, best=True)
    if found is None:
        error = search.does_not_fit(budget, target_cycles)
        best = search.fastest(budget)
        raise ResourceError(
            str(error).partition("\n")[0], f"the best that fits: {best.cycles} cycles a frame"
        )
    check_folding(graph, found.folding)
    return found
