"""The accuracy table: data sets times models times seeds, each trained once, its test part read once.

A finished training is never repeated, a killed one goes on, so the command may be stopped and started at
will. Quantized network and float twin of one seed share split, order and augmentation: their difference
is paired, and its interval is Student's.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import ConfigError, DataError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quant_models.threads import usable_cores

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

    @property
    def title(self) -> str:
        """What a user reads."""
        return f"{self.entry.label}, {self.model}, seed {self.seed}"


def jobs(plan: Plan) -> Iterator[Job]:
    """Return every training, all rows of a seed before the next seed: a table exists early."""
    for seed in range(plan.seeds):
        for entry in plan.set:
            for model in entry.models:
                yield Job(entry, model, seed)


def is_trained(job: Job, run: Path) -> bool:
    """Whether ``run`` is the finished training of a job, by this or an earlier version of the program."""
    from quant_models.training.config import PLACES, TrainConfig
    from quant_models.training.run_dir import open_run

    if not run.is_dir():
        return False
    fields = {"model": job.model, "dataset": job.entry.dataset, "seed": job.seed, **job.entry.options}
    apart = PLACES | {"data"}
    wanted = TrainConfig(**fields, run_dir=run).model_dump(exclude=apart)
    return open_run(run).info.config.model_dump(exclude=apart) == wanted


def run_plan(
    plan: Plan,
    train: Callable[[Sequence[Job]], Iterable[tuple[int, Path]]],
    out: Path,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Do every training that is not done and write the table after each.

    Parameters
    ----------
    train
        Trains jobs, unless they are done, and gives their indices and run folders as they are finished,
        in any order.
    out
        Folder of ``accuracy.json`` and ``accuracy.md``.

    Returns
    -------
    dict
        Contents of ``accuracy.json``.
    """
    every = list(jobs(plan))
    order = [(entry.label, model) for entry in plan.set for model in entry.models]
    found: dict[int, Mapping[str, Any]] = {}
    document: dict[str, Any] = {}
    for index, run in train(every):
        found[index] = {
            **json.loads((run / "metrics.json").read_text()),
            "versions": json.loads((run / "run.json").read_text())["versions"],
        }
        progress(f"{len(found)} of {len(every)} done: {every[index].title}")
        done: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for at in sorted(found, key=lambda at: (order.index(every[at].key), at)):
            done.setdefault(every[at].key, []).append(found[at])
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
                "recall_at_false_alarms": _recall(runs),
                "accuracy": spread([run["test_accuracy"] for run in runs]),
                "coverage_after_reject": spread([run["reject_effect"]["test"]["coverage"] for run in runs]),
                "error_after_reject": spread([run["reject_effect"]["test"]["error"] for run in runs]),
            }
        )
    every = [run for runs in done.values() for run in runs]
    return {
        "kind": "measured in torch on the test part, which no choice was made on",
        "confidence": _CONFIDENCE,
        "seeds_planned": seeds,
        "versions": {name: sorted({run["versions"][name] for run in every}) for name in every[0]["versions"]},
        "cores": usable_cores(),
        "rows": rows,
    }


def _recall(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the recall of the defect class at the runs' false-alarm rate; None for more than two classes."""
    if "recall_at_false_alarms" not in runs[0]["quantized"]["test"]:
        return None
    found = [run["quantized"]["test"]["recall_at_false_alarms"] for run in runs]
    return {"rate": found[0]["false_alarm_rate"], **spread([each["recall"] for each in found])}


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
    """Return the tables in Markdown; figures in percent, the mean over the seeds ± standard deviation."""
    rows = document["rows"]
    planned = document["seeds_planned"]
    main = [
        [
            row["set"],
            row["model"],
            f"{row['weights']:,}",
            f"{row['macs'] / 1e6:.2f} M",
            row["metric"].replace("_", " "),
            f"{len(row['seeds'])} of {planned}",
            _percent(row["quantized"]),
            _percent(row["float"]),
            _interval(row["difference"]),
        ]
        for row in rows
    ]
    reject = [
        [
            row["set"],
            row["model"],
            _percent(row["accuracy"]),
            _percent(row["coverage_after_reject"]),
            _percent(row["error_after_reject"]),
            _percent(row["recall_at_false_alarms"]) if row["recall_at_false_alarms"] else "",
        ]
        for row in rows
    ]
    rates = {row["recall_at_false_alarms"]["rate"] for row in rows if row["recall_at_false_alarms"]}
    at = " or ".join(f"{100 * rate:g} %" for rate in sorted(rates)) or "a rate"
    versions = ", ".join(f"{name} {' or '.join(all_)}" for name, all_ in document["versions"].items())
    columns = ("weights", "MACs", "figure", "seeds", "quantized %", "float %")
    effect = ("accuracy %", "answered %", "error of the answered %", "recall %")
    kind = document["kind"].capitalize()
    return "\n\n".join(
        [
            _table(["set", "model", *columns, "difference (95 % interval)"], main),
            "The reject rule, and for two classes the recall of defects at "
            f"{at} of false alarms, quantized network:",
            _table(["set", "model", *effect], reject),
            f"{kind}; {document['cores']} cores, one thread a training; {versions}.\n",
        ]
    )


def _percent(cell: Mapping[str, Any]) -> str:
    deviation = "" if cell["std"] is None else f" ± {100 * cell['std']:.2f}"
    return f"{100 * cell['mean']:.2f}{deviation}"


def _interval(gap: Mapping[str, Any]) -> str:
    inside = "" if gap["low"] is None else f" ({100 * gap['low']:+.2f} .. {100 * gap['high']:+.2f})"
    return f"{100 * gap['mean']:+.2f}{inside}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


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
