"""JSON, and the outlines that labelme writes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from quant_models.datasets.annotations.words import AGAIN
from quant_models.datasets.files import FileTree


def read_json(tree: FileTree, name: str) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    DataError
        It is missing or no JSON.
    """
    try:
        return json.loads(tree.text(name))
    except json.JSONDecodeError as error:
        raise tree.fault(name, f"is no JSON: {error.msg}", AGAIN, error.lineno) from error
    except RecursionError as error:
        raise tree.fault(name, "is no JSON: nested too deeply", AGAIN) from error


@dataclass(frozen=True, slots=True)
class Shape:
    """A labelme shape: ``polygon``, ``rectangle`` or ``circle`` with float64 points (N, 2) as x, y."""

    name: str
    kind: str
    points: np.ndarray

    def mask(self, height: int, width: int) -> np.ndarray:
        """Return the pixels of the shape: bool, shape (height, width)."""
        from PIL import Image, ImageDraw

        image = Image.new("1", (width, height))
        draw = ImageDraw.Draw(image)
        corners = [tuple(point) for point in self.points.tolist()]
        if self.kind == "polygon":
            draw.polygon(corners, fill=1)
        elif self.kind == "rectangle":
            (x0, y0), (x1, y1) = corners
            draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=1)
        else:
            (x, y), (x1, y1) = corners
            radius = math.hypot(x1 - x, y1 - y)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        return np.array(image, dtype=bool)


@dataclass(frozen=True, slots=True)
class Labelme:
    """A labelme annotation: height and width of the picture (None where not said) and the shapes."""

    height: int | None
    width: int | None
    shapes: tuple[Shape, ...]


#: Kinds of shapes and how many points each has (at least, for a polygon).
_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2}


def read_labelme(tree: FileTree, name: str) -> Labelme:
    """Read a labelme JSON file.

    Raises
    ------
    DataError
        It is missing, no JSON, no labelme file, or has a shape of a kind that has no area.
    """
    document = read_json(tree, name)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise tree.fault(name, "has no list 'shapes': it is no labelme file", AGAIN)
    sides = []
    for side in ("imageHeight", "imageWidth"):
        value = document.get(side)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise tree.fault(name, f"{side} is {value!r}, expected a positive integer", AGAIN)
        sides.append(value)
    shapes = [_shape(tree, name, index, shape) for index, shape in enumerate(document["shapes"])]
    return Labelme(sides[0], sides[1], tuple(shapes))


def _shape(tree: FileTree, name: str, index: int, shape: Any) -> Shape:
    where = f"shape {index}"
    if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
        raise tree.fault(name, f"{where} has no label", AGAIN)
    kind = shape.get("shape_type") or "polygon"
    if kind not in _POINTS:
        raise tree.fault(name, f"{where} is a {kind!r}, expected one of {', '.join(_POINTS)}", AGAIN)
    try:
        points = np.array(shape.get("points"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) < 1e6).all():
        raise tree.fault(name, f"{where} has no points x, y", AGAIN)
    count = len(points)
    if count < _POINTS[kind] or (kind != "polygon" and count != _POINTS[kind]):
        raise tree.fault(name, f"{where}, a {kind}, has {count} points, expected {_POINTS[kind]}", AGAIN)
    return Shape(shape["label"], kind, points)
