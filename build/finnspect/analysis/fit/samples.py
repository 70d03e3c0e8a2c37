"""From networks to samples: the terms of single instances beside what synthesis makes of each."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finnspect.analysis.fit.grid import Point
from finnspect.analysis.technology import Resources, Technology
from finnspect.analysis.terms import Terms, converter_terms, fifo_terms, fork_terms, layer_terms
from finnspect.errors import ConfigError, UnsupportedModelError

if TYPE_CHECKING:
    from finnspect.toolchains.core_synth import Part

logger = logging.getLogger(__name__)

#: Samples of one model (and style of multipliers); what varies most has most.
QUOTA = {
    **{"matvec/lut": 30, "matvec/dsp": 30, "matvec.bipolar": 20, "matvec.bipolar/counted": 8},
    **{"sliding_window.rows": 20, "logits": 5},
}
#: So many products of one bit a cycle are a quota of their own.
MANY_COUNTED = 128
#: Of the models that are not named.
OTHERS = 14
#: Instances that one run of the tool synthesises: it spends seconds on its own libraries.
BATCH = 12


@dataclass(frozen=True)
class Sample:
    """What one instance costs.

    Parameters
    ----------
    name
        Network and instance.
    terms
        By the cost model.
    measured
        Post-synthesis.
    """

    name: str
    terms: Terms
    measured: Resources


@dataclass(frozen=True)
class Candidate:
    """An instance of an emitted network, before it is synthesised."""

    name: str
    quota: str
    terms: Terms
    part: Part


def _joint(module: str, params: dict[str, Any]) -> Terms | None:
    if module == "fs_dwc":
        return converter_terms(params["IN_WIDTH"], params["OUT_WIDTH"])
    if module == "fs_fifo":
        return fifo_terms(params["WIDTH"], params["DEPTH"])
    if module == "fs_fork":
        return fork_terms(params["WIDTH"], params["N"])
    return None


def candidates(point: Point, tech: Technology) -> list[Candidate]:
    """Emit a network and return its instances that have a cost model."""
    from finnspect.emit import EmitOptions, emit_accelerator
    from finnspect.toolchains.core_synth import take_part

    graph, folding, styles = point.graph, point.folding, point.styles
    found = []
    with tempfile.TemporaryDirectory() as folder:
        options = EmitOptions(mul_styles=styles, dsp_budget=0, technology=tech.name)
        core = emit_accelerator(graph, folding, Path(folder) / "core", options)
        output = graph.tensors[graph.output]
        logits = {"BITS": output.dtype.bits, "SIGNED": int(output.dtype.signed), "CLASSES": output.size}
        instances = [(each["name"], each["module"], each["params"], each["layer"])
                     for each in core.manifest["instances"]]  # fmt: skip
        for name, module, params, owner in (*instances, ("u_logits", "fs_logits", logits, None)):
            if owner is None:
                terms = Terms("logits", {"base": 1}) if module == "fs_logits" else _joint(module, params)
            elif module == "fs_mvau" and (params["PE"], params["SIMD"]) == (params["MH"], params["MW"]):
                continue  # constant weights fold into the products: cheaper than the model
            else:
                terms = layer_terms(graph.layer(owner), graph, folding, tech, styles.get(owner, "lut"))
            if terms is None:
                continue
            quota = terms.model
            if quota == "matvec":
                quota += f"/{styles[owner]}"
            elif terms.values.get("counters", 0) >= MANY_COUNTED:
                quota += "/counted"
            part = take_part(core, module, params)
            found.append(Candidate(f"{graph.name}/{name}", quota, terms, part))
    return found


def choose(makers: Sequence[Callable[[], Point]], tech: Technology, share: float) -> list[Candidate]:
    """Return instances to synthesise: of each model as many as its quota, of different networks first."""
    counts: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    chosen = []
    for make in makers:
        point = make()
        try:
            found = candidates(point, tech)
        except (UnsupportedModelError, ConfigError) as error:
            logger.warning("%s is left out: %s", point.graph.name, error.args[0])
            continue
        for each in found:
            same = (each.part.module, str(sorted(each.part.params.items())))
            if same in seen or counts[each.quota] >= max(1, round(share * QUOTA.get(each.quota, OTHERS))):
                continue
            seen.add(same)
            counts[each.quota] += 1
            chosen.append(each)
    return chosen


def collect(
    makers: Sequence[Callable[[], Point]],
    tech: Technology,
    cache: Path,
    jobs: int,
    progress: Callable[[str], None],
    cached_only: bool = False,
    share: float = 1.0,
) -> list[Sample]:
    """Return the samples of many networks, ``jobs`` runs at a time; what is in ``cache`` is not run again.

    With ``cached_only`` nothing is: instances that are not there give no samples.
    """
    from finnspect.toolchains.core_synth import part_figures, synthesise_parts

    chosen = choose(makers, tech, share)
    missing = [each.part for each in chosen if part_figures(each.part, tech, cache) is None]
    if not cached_only and missing:
        # of every model some in each run, so that an interrupted fit has samples of all
        runs = [missing[start :: -(-len(missing) // BATCH)] for start in range(-(-len(missing) // BATCH))]
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(synthesise_parts, run, tech, cache) for run in runs]
            try:
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()
                    progress(
                        f"{tech.name}: {done} of {len(runs)} runs of about {BATCH} instances synthesised"
                    )
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    pairs = ((each, part_figures(each.part, tech, cache)) for each in chosen)
    return [Sample(each.name, each.terms, measured) for each, measured in pairs if measured is not None]
