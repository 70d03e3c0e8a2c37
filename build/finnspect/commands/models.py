"""``finnspect models``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from finnspect.commands.options import JsonOption, examples

NAME = "models"
EXAMPLES = examples(
    ("All that are tested to compile", "finnspect models"),
    ("One, for RGB images of 32x32 pixels and 10 classes", "finnspect models resnet8_w4a4 --size 32 --rgb"),
    ("One of your own", "finnspect models my_net.py:make"),
)


def command(
    name: Annotated[
        str | None, typer.Argument(help="A model's name, or path.py:factory; all of the registry without.")
    ] = None,
    classes: Annotated[int, typer.Option("--classes", min=2, help="Number of classes.")] = 10,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", "--image-size", min=8, max=512, help="Side of the input; the family's own without."
        ),
    ] = None,
    rgb: Annotated[bool, typer.Option("--rgb", help="Colour images; grey without.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models, or show one: parameters, weights, weight bits, multiply-accumulates an image."""
    from quant_models.models import available_models

    names = [name] if name is not None else available_models()
    rows = [_row(each, classes, size, 3 if rgb else 1) for each in names]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(
        f"{'model':<16} {'input':>11} {'parameters':>10} {'weights':>9} {'weight bits':>11} {'MACs':>11}"
    )
    for row in rows:
        shape = "x".join(map(str, row["input_shape"]))
        typer.echo(
            f"{row['model']:<16} {shape:>11} {row['parameters']:>10,} {row['weights']:>9,} "
            f"{row['weight_bits']:>11,} {row['macs']:>11,}"
        )


def _row(name: str, classes: int, size: int | None, channels: int) -> dict[str, Any]:
    from quant_models.models import build_model, default_image_size, model_cost

    side = size or default_image_size(name)
    shape = (side, side, channels)
    cost = model_cost(build_model(name, classes, shape), shape)
    return {
        "model": name,
        "input_shape": list(shape),
        "classes": classes,
        "parameters": cost.parameters,
        "weights": cost.weights,
        "weight_bits": cost.weight_bits,
        "macs": cost.macs,
    }
