"""``finnspect train``."""

from __future__ import annotations

import json

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
from finnspect.config import DEFAULT_MODEL

NAME = "train"
EXAMPLES = examples(
    ("Train on the generated defects, no data needed", "finnspect train"),
    ("Train on NEU-DET, as it is distributed", "finnspect train --dataset neu-det --data NEU-DET.tar.xz"),
    (
        "Train on your own images, one folder a class",
        "finnspect train --dataset image-folder --data my_images/",
    ),
)


def command(
    dataset: DatasetOption = "synthetic",
    data: DataOption = None,
    model: ModelOption = DEFAULT_MODEL,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Train a quantized model on a data set.

    Makes OUT/MODEL-DATASET/train/run with the checkpoint, metrics.json and the split manifest. What is
    already trained with the same data and options is not trained again.
    """
    from finnspect.flow import TrainRequest, train
    from finnspect.progress import for_terminal

    request = TrainRequest(dataset=dataset, data=data, model=model, seed=seed, epochs=epochs)
    run = train(request, out, for_terminal())
    metrics = json.loads((run / "metrics.json").read_text())
    if as_json:
        typer.echo(json.dumps({"run": str(run), "metrics": metrics}, indent=1))
    else:
        typer.echo(f"trained: {run}")
        for name, value in metrics.items():
            if isinstance(value, (int, float, str)):
                typer.echo(f"  {name}: {value}")
