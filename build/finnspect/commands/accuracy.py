"""``finnspect accuracy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import OUT, JsonOption, OutOption, examples
from finnspect.paths import ROOT

NAME = "accuracy"
EXAMPLES = examples(
    ("All sets of the repository's plan", "finnspect accuracy --data-root ../shared/data"),
    ("One set, three seeds", "finnspect accuracy --only synthetic --seeds 3"),
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
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Train sets x models x seeds and write the table OUT/accuracy/accuracy.md, and accuracy.json.

    Takes hours. Stopped and started again it goes on where it was; what is trained stays trained.
    """
    from finnspect.flow import TrainRequest, train
    from finnspect.progress import for_terminal
    from quant_models.accuracy import TABLE_FILE, Job, Plan, run_plan

    chosen = Plan.load(plan).only(only or [])
    if seeds is not None:
        chosen = chosen.model_copy(update={"seeds": seeds})
    chosen.check_data(data_root)
    progress = for_terminal()
    folder = out / "accuracy"

    def one(job: Job) -> Path:
        request = TrainRequest(
            dataset=job.entry.dataset,
            data=None if job.entry.data is None else data_root / job.entry.data,
            model=job.model,
            seed=job.seed,
            options=tuple(sorted(job.entry.options.items())),
        )
        place = folder / job.entry.label / f"seed{job.seed}"
        return train(request, place, progress, cache=out / "cache")

    document = run_plan(chosen, one, folder, progress.note)
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo((folder / TABLE_FILE).read_text())
