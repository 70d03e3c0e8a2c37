"""``finnspect accuracy``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finnspect.commands.options import OUT, JsonOption, OutOption, examples
from finnspect.errors import ConfigError
from finnspect.paths import ROOT
from finnspect.progress import Progress

if TYPE_CHECKING:
    from finnspect.train_flow import TrainRequest
    from quant_models.accuracy import Job


#: Most trainings at a time unless more are asked for: each takes about 0.8 GB of memory.
_MOST = 4
NAME = "accuracy"
EXAMPLES = examples(
    ("All sets of the repository's plan", "finnspect accuracy --data-root ../shared/data"),
    ("One set, three seeds", "finnspect accuracy --only synthetic --seeds 3"),
    ("Two trainings at a time", "finnspect accuracy --data-root ../shared/data --jobs 2"),
    ("A plan of your own", "finnspect accuracy --plan my_plan.toml"),
)


def command(
    plan: Annotated[
        Path, typer.Option("--plan", help="TOML file of sets, models and number of seeds.")
    ] = ROOT / "quant_models" / "accuracy.toml",
    data_root: Annotated[
        Path, typer.Option("--data-root", help="Folder that the plan's data sets lie in.")
    ] = Path(),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A set of the plan; may be given several times.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=2, help="Number of seeds, instead of the plan's.")
    ] = None,
    at_a_time: Annotated[
        int | None,
        typer.Option(
            "--jobs", min=1, help=f"Trainings at a time, one thread each; as many as cores, at most {_MOST}."
        ),
    ] = None,
    only_table: Annotated[
        bool, typer.Option("--no-train", help="Train nothing: the table of what is trained by now.")
    ] = False,
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Train sets x models x seeds and write the table OUT/accuracy/accuracy.md, and accuracy.json.

    Takes hours. Stopped and started again it goes on where it was; what is trained stays trained. The
    figures do not depend on --jobs.
    """
    from finnspect.progress import for_terminal
    from quant_models.accuracy import TABLE_FILE, Plan, is_trained, run_plan
    from quant_models.threads import usable_cores
    from quant_models.workers import run_each

    chosen = Plan.load(plan).only(only or [])
    if seeds is not None:
        chosen = chosen.model_copy(update={"seeds": seeds})
    if not only_table:
        chosen.check_data(data_root)
    progress = for_terminal()
    folder = out / "accuracy"
    processes = at_a_time or min(_MOST, usable_cores())

    def trained(every: Sequence[Job]) -> Iterator[tuple[int, Path]]:
        for index, job in enumerate(every):
            run = _place(job, out) / _request(job, data_root).name / "train" / "run"
            if is_trained(job, run):
                yield index, run

    def train_each(every: Sequence[Job]) -> Iterator[tuple[int, Path]]:
        def say(index: int, text: str) -> None:
            progress.note(f"{every[index].title}: {text}")

        return run_each(partial(_train, data_root=data_root, out=out), every, processes, say)

    with progress.step("accuracy table"):
        document = run_plan(chosen, trained if only_table else train_each, folder, progress.line)
    if not document:
        raise ConfigError(f"nothing of the plan is trained in {folder}", "leave --no-train out")
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo((folder / TABLE_FILE).read_text())


class _Notes(Progress):
    """Hands on what a training says."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self.note = notify


def _request(job: Job, data_root: Path) -> TrainRequest:
    from finnspect.train_flow import TrainRequest

    return TrainRequest(
        dataset=job.entry.dataset,
        data=None if job.entry.data is None else data_root / job.entry.data,
        model=job.model,
        seed=job.seed,
        options=tuple(sorted(job.entry.options.items())),
    )


def _place(job: Job, out: Path) -> Path:
    return out / "accuracy" / job.entry.label / f"seed{job.seed}"


def _train(job: Job, notify: Callable[[str], None], *, data_root: Path, out: Path) -> Path:
    """Train one job, unless it is done, and return its run folder; runs in a process of its own."""
    from finnspect.train_flow import train

    return train(_request(job, data_root), _place(job, out), _Notes(notify), cache=out / "cache")
