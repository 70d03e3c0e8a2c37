"""From a network to samples: the terms of every layer beside what synthesis made of it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finnspect.analysis.technology import Resources, Technology
from finnspect.analysis.terms import Terms, converter_terms, fifo_terms, fork_terms, layer_terms
from finnspect.errors import ConfigError, UnsupportedModelError
from finnspect.ir import MatVec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """What one layer, or one joint, of one network costs.

    Parameters
    ----------
    name
        Network and layer.
    terms
        By the cost model.
    measured
        Post-synthesis.
    """

    name: str
    terms: Terms
    measured: Resources


def _joint(module: str, params: Mapping[str, Any]) -> Terms | None:
    if module == "fs_dwc":
        return converter_terms(params["IN_WIDTH"], params["OUT_WIDTH"])
    if module == "fs_fifo":
        return fifo_terms(params["WIDTH"], params["DEPTH"])
    if module == "fs_fork":
        return fork_terms(params["WIDTH"], params["N"])
    return None


def point_samples(
    make: Callable[[], Any], tech: Technology, cache: Path, cached_only: bool = False
) -> list[Sample]:
    """Emit and synthesise one point of the grid and return the samples it gives.

    A network that the library has no hardware for gives none.
    """
    from finnspect.emit import EmitOptions, emit_accelerator
    from finnspect.toolchains.core_synth import synthesise_core

    point = make()
    graph, folding = point.graph, point.folding
    styles = dict(point.styles)
    try:
        with tempfile.TemporaryDirectory() as folder:
            options = EmitOptions(mul_styles=styles, dsp_budget=0, technology=tech.name)
            core = emit_accelerator(graph, folding, Path(folder) / "core", options)
            figures = synthesise_core(core, tech, cache, by_part=True, cached_only=cached_only)
    except (UnsupportedModelError, ConfigError) as error:
        logger.warning("%s is left out: %s", graph.name, error.args[0])
        return []
    if figures is None:
        return []
    layers: dict[str, Resources] = {}
    samples = [Sample(f"{graph.name}/logits", Terms("logits", {"base": 1}), figures.parts["u_logits"])]
    for each in core.manifest["instances"]:
        part = figures.parts.get(each["name"], Resources())
        if each["layer"] is not None:
            layers[each["layer"]] = layers.get(each["layer"], Resources()) + part
        elif (terms := _joint(each["module"], each["params"])) is not None:
            samples.append(Sample(f"{graph.name}/{each['name']}", terms, part))
    for name, measured in layers.items():
        layer, own = graph.layer(name), folding[name]
        if isinstance(layer, MatVec) and (own.PE, own.SIMD) == (layer.MH, layer.MW):
            continue  # constant weights fold into the products: cheaper than the model, which is for memories
        terms = layer_terms(graph.layer(name), graph, folding, tech, styles.get(name, "lut"))
        samples.append(Sample(f"{graph.name}/{name}", terms, measured))
    return samples


def collect(
    makers: list[Callable[[], Any]],
    tech: Technology,
    cache: Path,
    jobs: int,
    progress: Callable[[str], None],
    cached_only: bool = False,
) -> list[Sample]:
    """Return the samples of many points, ``jobs`` at a time; what is in ``cache`` is not run again.

    With ``cached_only`` nothing is: points that are not there give no samples.
    """
    samples: dict[int, list[Sample]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(point_samples, make, tech, cache, cached_only): i for i, make in enumerate(makers)
        }
        try:
            for done, future in enumerate(as_completed(futures), 1):
                samples[futures[future]] = future.result()
                progress(f"{tech.name}: {done} of {len(makers)} networks synthesised")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [sample for index in sorted(samples) for sample in samples[index]]
