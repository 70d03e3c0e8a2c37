"""What a study has found: every trial, the Pareto front, as JSON, CSV, text and a picture."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from finnspect.explore.objectives import OBJECTIVES, front
from finnspect.explore.settings import FORMAT, FORMAT_VERSION, Settings
from finnspect.explore.space import describe, model_of
from finnspect.explore.study import GOAL, RETRY_OF
from finnspect.explore.worker import DROPPED, OUTCOME, REASON, WORKER
from finnspect.stages import write_whole

JSON_FILE, FRONT_FILE, TRIALS_FILE, CHART_FILE = "explore.json", "front.csv", "trials.csv", "front.svg"
FOLDINGS = "foldings"
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "infeasible",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.FAIL: "failed",
}
#: Columns of the tables beside the objectives.
_MORE = ("test_accuracy", "cycles", "ff", "bram", "dsp", "latency")
_DIGITS = {"accuracy": 4, "test_accuracy": 4, "latency": 1, "fps": 1}


def _row(trial: FrozenTrial) -> dict[str, Any]:
    known = trial.user_attrs
    outcome = known.get(OUTCOME, {})
    return {
        "trial": trial.number,
        "state": _STATES[trial.state],
        "model": model_of(trial.params),
        "point": trial.params,
        "figures": outcome.get("figures", {}),
        "folding": outcome.get("folding"),
        "reason": known.get(REASON),
        "seconds": outcome.get("seconds"),
        "worker": known.get(WORKER),
        "retry_of": known.get(RETRY_OF),
    }


def collect(study: optuna.Study, settings: Settings) -> dict[str, Any]:
    """Return all that a study holds, JSON-able; ``front`` lists the numbers of trials, best first."""
    trials = study.get_trials(deepcopy=False)
    whole = [each for each in trials if DROPPED not in each.user_attrs and _has_point(each, settings)]
    rows = [_row(each) for each in whole]
    values = {each.number: tuple(each.values) for each in whole if each.state == TrialState.COMPLETE}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": study.study_name,
        "settings": settings.model_dump(mode="json"),
        "objectives": [
            {"name": name, "direction": OBJECTIVES[name].direction, "unit": OBJECTIVES[name].unit}
            for name in settings.objectives
        ],
        "trials_wanted": study.user_attrs.get(GOAL),
        "states": dict(Counter(row["state"] for row in rows)),
        "trials": rows,
        "front": front(values, settings.objectives),
    }


def _has_point(trial: FrozenTrial, settings: Settings) -> bool:
    return set(trial.params) == set(settings.space.choices())


def write(document: dict[str, Any], folder: Path) -> None:
    """Write ``explore.json``, ``front.csv``, ``trials.csv``, ``front.svg`` and the front's foldings."""
    from finnspect.explore.chart import chart

    rows = {row["trial"]: row for row in document["trials"]}
    best = [rows[number] for number in document["front"]]
    write_whole(folder / JSON_FILE, json.dumps(document, indent=1) + "\n")
    write_whole(folder / FRONT_FILE, _csv(best))
    write_whole(folder / TRIALS_FILE, _csv(list(rows.values())))
    for row in best:
        path = folder / FOLDINGS / f"trial-{row['trial']}.json"
        write_whole(path, json.dumps(row["folding"], indent=1) + "\n")
    drawn = chart(document)
    if drawn is not None:
        write_whole(folder / CHART_FILE, drawn)


def _csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV: the point, then each figure beside its kind."""
    points = list(dict.fromkeys(name for row in rows for name in row["point"]))
    figures = list(dict.fromkeys(name for row in rows for name in row["figures"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = [column for name in figures for column in (name, f"{name}_kind")]
    writer.writerow(["trial", "state", "model", *points, *kinds, "reason", "seconds"])
    for row in rows:
        pairs = (row["figures"].get(name, {}) for name in figures)
        cells = [cell for pair in pairs for cell in (pair.get("value"), pair.get("kind"))]
        fixed = [row[name] for name in ("trial", "state", "model")]
        writer.writerow(
            [*fixed, *(row["point"].get(name) for name in points), *cells, row["reason"], row["seconds"]]
        )
    return text.getvalue()


def _shown(name: str, figure: dict[str, Any]) -> str:
    value = figure["value"]
    return f"{value:,.{_DIGITS.get(name, 0)}f}"


def text(document: dict[str, Any], folder: Path) -> str:
    """Return the front as a table, what was infeasible and why, and how to build one of it."""
    rows = {row["trial"]: row for row in document["trials"]}
    best = [rows[number] for number in document["front"]]
    counts = ", ".join(f"{count} {state}" for state, count in sorted(document["states"].items()))
    lines = [f"study {document['study']}: {counts or 'no trial yet'}"]
    reasons = Counter(row["reason"] for row in rows.values() if row["state"] == "infeasible")
    lines += [f"  infeasible, {count} times: {reason}" for reason, count in reasons.most_common(3)]
    if not best:
        return "\n".join([*lines, "no point could be built: widen the space, or choose a larger board"])
    names = [each["name"] for each in document["objectives"]]
    figures = names + [name for name in _MORE if name not in names]
    goal = next(name for name in ("budget", "target_cycles", "target_fps") if name in best[0]["point"])
    kinds = ["", "", ""] + [
        "/".join(sorted({row["figures"][name]["kind"] for row in best})) for name in figures
    ]
    table = [["trial", "model", goal, *figures], kinds]
    table += [
        [
            str(row["trial"]),
            row["model"],
            f"{row['point'][goal]:g}",
            *(_shown(name, row["figures"][name]) for name in figures),
        ]
        for row in best
    ]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines.append(f"Pareto front of {', '.join(names)} (test_accuracy played no part in the search):")
    for row in table:
        cells = [
            cell.ljust(w) if i == 1 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join([*lines, *_build_line(document, best[0], folder)])


def _build_line(document: dict[str, Any], row: dict[str, Any], folder: Path) -> list[str]:
    """Return the command that builds a row; none where its model was trained on another machine."""
    package = folder / "models" / f"{row['model']}-{_suffix(document)}" / "export" / "package"
    if not package.is_dir():
        return []
    return [
        f"to build trial {row['trial']}: finnspect build --package {package} "
        f"--board {document['settings']['board']} --folding {folder / FOLDINGS}/trial-{row['trial']}.json"
    ]


def _suffix(document: dict[str, Any]) -> str:
    settings = document["settings"]
    shots = settings["shots"]
    return settings["dataset"] + (f"-shots{shots}" if shots is not None else "")


def label(row: dict[str, Any]) -> str:
    """Return a trial in words."""
    return f"trial {row['trial']}: {describe(row['point'])}"
