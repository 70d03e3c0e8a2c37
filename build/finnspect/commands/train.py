"""``finnspect train``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from finnspect.commands.options import (
    OUT,
    DataOption,
    DatasetOption,
    EpochsOption,
    JsonOption,
    ModelOption,
    OutOption,
    SeedOption,
    examples,
)
from finnspect.commands.training import (
    ColorOption,
    DataOptionsOption,
    ImageSizeOption,
    SetOption,
    ShotsOption,
    training_request,
)
from finnspect.config import DEFAULT_MODEL

NAME = "train"
EXAMPLES = examples(
    ("Train on the generated defects, no data needed", "finnspect train"),
    ("Train on NEU-DET, as it is distributed", "finnspect train --dataset neu-det --data NEU-DET.tar.xz"),
    (
        "Train on your own images, one folder a class",
        "finnspect train --dataset image-folder --data my_images/",
    ),
    (
        "Defect or not",
        "finnspect train --dataset severstal --data severstal/ --data-option task=binary",
    ),
    ("Train a network of your own", "finnspect train --model my_net.py:make"),
    ("Twenty images a class, five folds", "finnspect train --shots 20 --folds 5"),
)


def command(
    dataset: DatasetOption = "synthetic",
    data: DataOption = None,
    data_options: DataOptionsOption = None,
    model: ModelOption = DEFAULT_MODEL,
    image_size: ImageSizeOption = None,
    color: ColorOption = None,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    shots: ShotsOption = None,
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, help="Cross-validate: one training for each of N folds.")
    ] = None,
    settings: SetOption = None,
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Train a quantized model on a data set.

    Makes OUT/MODEL-DATASET/train/run with the checkpoint, metrics.json and the split manifest. What is
    already trained with the same data and options is not trained again.
    """
    from finnspect.progress import for_terminal
    from finnspect.train_flow import train

    def run_of(**fields: Any) -> Path:
        request = training_request(
            dataset,
            data,
            model,
            seed,
            epochs,
            data_options=data_options,
            settings=settings,
            image_size=image_size,
            color=color,
            shots=shots,
            **fields,
        )
        return train(request, out, for_terminal())

    if folds is not None:
        _say_folds([run_of(fold=(i, folds)) for i in range(folds)], as_json)
        return
    run = run_of()
    metrics = json.loads((run / "metrics.json").read_text())
    if as_json:
        typer.echo(json.dumps({"run": str(run), "metrics": metrics}, indent=1))
    else:
        typer.echo(f"trained: {run}")
        for name, value in metrics.items():
            if isinstance(value, (int, float, str)):
                typer.echo(f"  {name}: {value}")


def _say_folds(runs: list[Path], as_json: bool) -> None:
    """Print the figures of a cross-validation."""
    from quant_models.accuracy import paired, spread

    found = [json.loads((run / "metrics.json").read_text())["leading"] for run in runs]
    quantized, twin = ([each[key] for each in found] for key in ("test", "float_test"))
    summary = {
        "metric": found[0]["metric"],
        "quantized": spread(quantized),
        "float": spread(twin),
        "difference": paired(quantized, twin),
        "runs": [str(run) for run in runs],
    }
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    typer.echo(f"cross-validated on {len(runs)} folds, {summary['metric']}:")
    for name in ("quantized", "float"):
        typer.echo(f"  {name}: {summary[name]['mean']:.4f} ± {summary[name]['std']:.4f}")
    gap = summary["difference"]
    typer.echo(f"  difference: {gap['mean']:+.4f} ({gap['low']:+.4f} .. {gap['high']:+.4f}, 95 % interval)")
