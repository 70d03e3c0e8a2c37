"""The accuracy table: data sets times models times seeds, each trained once, its test part read once.

A finished training is never repeated, a killed one goes on, so the command may be stopped and started at
will. Quantized network and float twin of one seed share split, order and augmentation: their difference
is paired, and its interval is Student's.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import ConfigError, DataError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

JSON_FILE = "accuracy.json"
TABLE_FILE = "accuracy.md"
_CONFIDENCE = 0.95


class Entry(BaseModel):
    """One data set of a plan, and the models that are trained on it.

    Parameters
    ----------
    name
        Row in the table; the data set's own name where absent.
    data
        Folder or archive, relative to the data folder; None for a procedural set.
    options
        More fields of ``TrainConfig``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    name: str | None = None
    data: Path | None = None
    models: list[str] = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name in the table."""
        return self.name or self.dataset


class Plan(BaseModel):
    """What to train: contents of a plan file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: int = Field(5, ge=2, description="seeds 0 .. seeds-1; an interval needs two")
    set: list[Entry] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan file.

        Raises
        ------
        ConfigError
            The file is missing, is not TOML, or holds a field that is not valid.
        """
        try:
            plan = cls.model_validate(tomllib.loads(path.read_text()))
        except OSError as error:
            raise ConfigError(f"cannot read plan {path}: {error.strerror}", "check the path") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not TOML: {error}", "correct the file") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "document"
            raise ConfigError(f"{path}: {where}: {first['msg']}", "correct the file") from error
        labels = [entry.label for entry in plan.set]
        if len(set(labels)) != len(labels):
            raise ConfigError(f"{path}: two sets have one name", "give each set a name of its own")
        return plan

    def only(self, labels: Sequence[str]) -> Plan:
        """Return the plan with some of its sets."""
        known = [entry.label for entry in self.set]
        for label in labels:
            if label not in known:
                raise ConfigError(f"the plan has no set {label!r}", f"its sets: {', '.join(known)}")
        return self.model_copy(update={"set": [e for e in self.set if e.label in labels]}) if labels else self

    def check_data(self, folder: Path) -> None:
        """Refuse a plan whose data is not there, before hours of training.

        Raises
        ------
        DataError
            Names all that is missing.
        """
        missing = [str(folder / e.data) for e in self.set if e.data and not (folder / e.data).exists()]
        if missing:
            raise DataError(
                f"the plan's data is not there: {', '.join(missing)}",
                "point --data-root to the folder that holds it, or choose sets with --only",
            )


@dataclass(frozen=True, slots=True)
class Job:
    """One training of a plan."""

    entry: Entry
    model: str
    seed: int

    @property
    def key(self) -> tuple[str, str]:
        """Row of the table."""
        return self.entry.label, self.model


def jobs(plan: Plan) -> Iterator[Job]:
    """Return every training, all rows of a seed before the next seed: a table exists early."""
    for seed in range(plan.seeds):
        for entry in plan.set:
            for model in entry.models:
                yield Job(entry, model, seed)


def run_plan(
    plan: Plan, train: Callable[[Job], Path], out: Path, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Do every training that is not done and write the table after each.

    Parameters
    ----------
    train
        Trains a job, unless it is done, and returns its run folder.
    out
        Folder of ``accuracy.json`` and ``accuracy.md``.

    Returns
    -------
    dict
        Contents of ``accuracy.json``.
    """
    done: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    document: dict[str, Any] = {}
    every = list(jobs(plan))
    for number, job in enumerate(every, 1):
        progress(f"{number} of {len(every)}: {job.entry.label}, {job.model}, seed {job.seed}")
        metrics = json.loads((train(job) / "metrics.json").read_text())
        done.setdefault(job.key, []).append(metrics)
        document = summarise(done, plan.seeds)
        write_table(out, document)
    return document


def summarise(done: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], seeds: int) -> dict[str, Any]:
    """Return the table as data: a row for each (set, model)."""
    rows = []
    for (label, model), runs in done.items():
        lead = runs[0]["leading"]["metric"]
        quant = [run["quantized"]["test"][lead] for run in runs]
        twin = [run["float"]["test"][lead] for run in runs]
        rows.append(
            {
                "set": label,
                "model": model,
                "metric": lead,
                "seeds": [run["seed"] for run in runs],
                "quantized": spread(quant),
                "float": spread(twin),
                "difference": paired(quant, twin),
                "test_images": [run["images"]["test"] for run in runs],
                "weights": runs[0]["weights"],
                "weight_bits": runs[0]["weight_bits"],
                "macs": runs[0]["macs"],
                "coverage_after_reject": [run["reject_effect"]["test"]["coverage"] for run in runs],
                "error_after_reject": [run["reject_effect"]["test"]["error"] for run in runs],
            }
        )
    return {
        "kind": "measured in torch on the test part, which no choice was made on",
        "confidence": _CONFIDENCE,
        "seeds_planned": seeds,
        "rows": rows,
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation (None for one value) and the values."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": deviation, "values": list(values)}


def paired(values: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    """Return the mean of ``values - others`` and its interval by Student's t; None for one pair."""
    from scipy import stats

    differences = np.subtract(values, others)
    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return {"mean": mean, "low": None, "high": None}
    error = float(differences.std(ddof=1)) / count**0.5
    reach = float(stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * error
    return {"mean": mean, "low": mean - reach, "high": mean + reach}


def markdown(document: Mapping[str, Any]) -> str:
    """Return the table in Markdown; figures in percent."""

    def percent(cell: Mapping[str, Any]) -> str:
        deviation = "" if cell["std"] is None else f" ± {100 * cell['std']:.2f}"
        return f"{100 * cell['mean']:.2f}{deviation}"

    lines = [
        "| set | model | weights | figure | seeds | quantized % | float % | difference (95 % interval) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in document["rows"]:
        gap = row["difference"]
        inside = "" if gap["low"] is None else f" ({100 * gap['low']:+.2f} .. {100 * gap['high']:+.2f})"
        cells = [
            row["set"],
            row["model"],
            f"{row['weights']:,}",
            row["metric"].replace("_", " "),
            f"{len(row['seeds'])} of {document['seeds_planned']}",
            percent(row["quantized"]),
            percent(row["float"]),
            f"{100 * gap['mean']:+.2f}{inside}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_table(folder: Path, document: Mapping[str, Any]) -> None:
    """Write both files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        (JSON_FILE, json.dumps(document, indent=1) + "\n"),
        (TABLE_FILE, markdown(document)),
    ):
        part = folder / f".{name}.part"
        part.write_text(text)
        part.replace(folder / name)
