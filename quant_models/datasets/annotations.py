"""Readers of label files: tables, VOC XML, labelme JSON, run lengths, masks, MATLAB arrays.

Each takes the set's :class:`FileTree` and a file name, and raises ``DataError`` naming the file, the line
where there is one, what was found and what was expected. None of them guesses.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from finnspect.errors import DataError

from quant_models.datasets.decode import decode_mask
from quant_models.datasets.files import FileTree

_AGAIN = "fetch the file again, or correct it"
_BLANKS = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Parameters
    ----------
    tree, file
        Where it stands, for messages.
    line
        Its number, from 1.
    values
        The fields by column.
    """

    tree: FileTree
    file: str
    line: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def fault(self, what: str, remedy: str = _AGAIN) -> DataError:
        """Return the error that something is wrong with this line."""
        return self.tree.fault(self.file, what, remedy, self.line)

    def number(self, column: str) -> float:
        """Return a finite number."""
        try:
            value = float(self.values[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.fault(f"{column} is {self.values[column]!r}, expected a number")
        return value

    def integer(self, column: str) -> int:
        """Return an integer."""
        value = self.values[column]
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            raise self.fault(f"{column} is {value!r}, expected an integer")
        return int(value)

    def choice(self, column: str, choices: Sequence[str]) -> int:
        """Return the index of the field in ``choices``."""
        value = self.values[column]
        if value not in choices:
            raise self.fault(f"{column} is {value!r}, expected one of {', '.join(choices)}")
        return choices.index(value)


def read_table(
    tree: FileTree, name: str, columns: Sequence[str], *, header: bool, blanks: bool = False
) -> Iterator[Row]:
    """Give the lines of a table; empty lines are passed over.

    Parameters
    ----------
    columns
        Names of the columns. With ``header`` the first line must hold exactly these.
    header
        Whether the first line names the columns. Where it does not, a first line without any digit is
        refused as a header that should not be there.
    blanks
        Fields are parted by blanks (or commas), and not by commas as in CSV.
    """
    text = tree.text(name)
    if blanks:
        lines = (
            (n, _BLANKS.split(line.strip())) for n, line in enumerate(text.split("\n"), 1) if line.strip()
        )
    else:
        lines = _csv_lines(tree, name, text)
    first = True
    for number, parts in lines:
        fields = [part.strip() for part in parts]
        if not any(fields):
            continue
        if first:
            first = False
            if header:
                if fields != list(columns):
                    what = f"the first line is {','.join(fields)[:80]!r}, expected the header"
                    raise tree.fault(name, f"{what} {','.join(columns)!r}", _AGAIN, number)
                continue
            if not any(c.isdigit() for field in fields for c in field):
                what = f"{' '.join(fields)[:80]!r} looks like a header, where data begins at the first line"
                raise tree.fault(name, what, "take the header out", number)
        if len(fields) != len(columns):
            what = f"{len(fields)} fields, expected {len(columns)}: {', '.join(columns)}"
            raise tree.fault(name, what, _AGAIN, number)
        yield Row(tree, name, number, dict(zip(columns, fields, strict=True)))
    if first:
        raise tree.fault(name, "is empty", _AGAIN)


def _csv_lines(tree: FileTree, name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise tree.fault(name, f"is no CSV: {error}", _AGAIN, reader.line_num) from error


@dataclass(frozen=True, slots=True)
class Box:
    """A named rectangle: pixels with left <= x < right and top <= y < bottom."""

    name: str
    left: int
    top: int
    right: int
    bottom: int

    def inside(self, height: int, width: int) -> Box | None:
        """Return the part of the box inside a picture; None where there is nothing."""
        left, top = max(self.left, 0), max(self.top, 0)
        right, bottom = min(self.right, width), min(self.bottom, height)
        return Box(self.name, left, top, right, bottom) if left < right and top < bottom else None


def make_box(tree: FileTree, file: str, name: str, ends: Sequence[float], line: int | None = None) -> Box:
    """Return a box from left, top, right, bottom; fractions of pixels are taken into the box.

    Raises
    ------
    DataError
        An end is not finite, or the box is empty.
    """
    if not all(math.isfinite(end) and abs(end) < 1e9 for end in ends):
        raise tree.fault(file, f"the box {tuple(ends)} has an end that is no number", _AGAIN, line)
    left, top, right, bottom = ends
    box = Box(name, math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
    if box.left >= box.right or box.top >= box.bottom:
        raise tree.fault(file, f"the box {tuple(ends)} of {name!r} is empty", _AGAIN, line)
    return box


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
        raise tree.fault(name, f"is no JSON: {error.msg}", _AGAIN, error.lineno) from error
    except RecursionError as error:
        raise tree.fault(name, "is no JSON: nested too deeply", _AGAIN) from error


@dataclass(frozen=True, slots=True)
class Voc:
    """A VOC annotation: height and width of the picture (None where not said) and the objects."""

    height: int | None
    width: int | None
    boxes: tuple[Box, ...]


def read_voc(tree: FileTree, name: str) -> Voc:
    """Read a VOC XML file. Ends of boxes are taken as they stand: ``xmax`` is the first pixel outside.

    Raises
    ------
    DataError
        It is missing, no XML, declares entities, or an object has no name or no box.
    """
    text = tree.text(name)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities can grow without bound
        raise tree.fault(name, "declares a document type, which no annotation needs", "take it out")
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise tree.fault(name, f"is no XML: {error}", _AGAIN, error.position[0]) from error
    if root.tag != "annotation":
        raise tree.fault(name, f"begins with <{root.tag}>, expected <annotation>", _AGAIN)
    size = [_voc_number(tree, name, root, f"size/{side}", optional=True) for side in ("height", "width")]
    height, width = (None if not value else int(value) for value in size)
    boxes = []
    for thing in root.iter("object"):
        label = (thing.findtext("name") or "").strip()
        if not label:
            raise tree.fault(name, "an object has no name", _AGAIN)
        ends = [_voc_number(tree, name, thing, f"bndbox/{end}") for end in ("xmin", "ymin", "xmax", "ymax")]
        boxes.append(make_box(tree, name, label, ends))  # type: ignore[arg-type]
    return Voc(height, width, tuple(boxes))


def _voc_number(
    tree: FileTree, name: str, element: ElementTree.Element, path: str, optional: bool = False
) -> float | None:
    text = element.findtext(path)
    if text is None and optional:
        return None
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        found = "is missing" if text is None else f"is {text.strip()!r}"
        raise tree.fault(name, f"<{path}> {found}, expected a number", _AGAIN)
    return value


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
        raise tree.fault(name, "has no list 'shapes': it is no labelme file", _AGAIN)
    sides = []
    for side in ("imageHeight", "imageWidth"):
        value = document.get(side)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise tree.fault(name, f"{side} is {value!r}, expected a positive integer", _AGAIN)
        sides.append(value)
    shapes = [_shape(tree, name, index, shape) for index, shape in enumerate(document["shapes"])]
    return Labelme(sides[0], sides[1], tuple(shapes))


def _shape(tree: FileTree, name: str, index: int, shape: Any) -> Shape:
    where = f"shape {index}"
    if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
        raise tree.fault(name, f"{where} has no label", _AGAIN)
    kind = shape.get("shape_type") or "polygon"
    if kind not in _POINTS:
        raise tree.fault(name, f"{where} is a {kind!r}, expected one of {', '.join(_POINTS)}", _AGAIN)
    try:
        points = np.array(shape.get("points"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) < 1e6).all():
        raise tree.fault(name, f"{where} has no points x, y", _AGAIN)
    count = len(points)
    if count < _POINTS[kind] or (kind != "polygon" and count != _POINTS[kind]):
        raise tree.fault(name, f"{where}, a {kind}, has {count} points, expected {_POINTS[kind]}", _AGAIN)
    return Shape(shape["label"], kind, points)


def run_length_mask(row: Row, column: str, height: int, width: int) -> np.ndarray:
    """Return a mask from run lengths: pairs start, length, 1-based, counted down the columns.

    Returns
    -------
    numpy.ndarray
        bool, shape (height, width).

    Raises
    ------
    DataError
        The field holds something else, a run leaves the picture, or runs overlap.
    """
    fields = row[column].split()
    if len(fields) % 2 or not all(re.fullmatch("[0-9]{1,12}", field) for field in fields):
        raise row.fault(f"{column} is {row[column][:60]!r}, expected pairs of start and length")
    flat = np.zeros(height * width, dtype=bool)
    end = 0
    for start, length in zip(map(int, fields[::2]), map(int, fields[1::2]), strict=True):
        if start < 1 or length < 1 or start - 1 + length > flat.size:
            size = f"{width}x{height} pixels"
            raise row.fault(f"{column}: the run {start} {length} lies outside a picture of {size}")
        if start - 1 < end:
            raise row.fault(f"{column}: the run {start} {length} overlaps the one before it")
        end = start - 1 + length
        flat[start - 1 : end] = True
    return flat.reshape(width, height).T


def read_mask(
    tree: FileTree, name: str, *, threshold: int = 0, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Read a picture that marks the defect: pixels above ``threshold``.

    A colour mask counts by its brightest channel, a palette by its colours, transparency not at all;
    a 16-bit mask is compared with 257 times the threshold, a 1-bit mask is 0 and 255.

    Parameters
    ----------
    threshold
        0 to 254. JPEG masks need one in the middle: their black is not 0.
    size
        Height and width of the picture that the mask belongs to.

    Returns
    -------
    numpy.ndarray
        bool, shape (H, W).

    Raises
    ------
    DataError
        It is missing, damaged, of another size, or (where it is stored without loss) has marks that are
        all below the threshold: values 0 and 1 read with a threshold of 127, for example.
    """
    values, top, lossless = decode_mask(tree.read(name), f"{tree.origin}: {name}")
    check_size(tree, name, values.shape, size)
    mask = values > threshold * (top // 255)
    if lossless and not mask.any() and values.any():
        what = f"its values go up to {int(values.max())}, none is above {threshold * (top // 255)}"
        raise tree.fault(name, what, "save the mask with 0 for sound and the largest value for defect")
    return mask


def check_size(
    tree: FileTree, name: str, shape: tuple[int, ...], size: tuple[int | None, int | None] | None
) -> None:
    """Refuse a mask or an annotation that is of another size than its picture (height, width)."""
    if size is None or None in size or tuple(shape[:2]) == tuple(size):
        return
    got, wanted = f"{shape[1]}x{shape[0]}", f"{size[1]}x{size[0]}"
    what = f"is of {got} pixels, its picture of {wanted}"
    raise tree.fault(name, what, "fetch both files again; they belong together pixel by pixel")


def read_mat(tree: FileTree, name: str, *fields: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read an integer array from a MATLAB file.

    Parameters
    ----------
    fields
        The variable, then the names of nested fields.
    size
        Height and width of the picture that it belongs to.

    Returns
    -------
    numpy.ndarray
        int64, shape (H, W).

    Raises
    ------
    DataError
        It is missing or damaged, has no such field, or holds something else.
    """
    from scipy.io import loadmat

    data = tree.read(name)
    try:
        value: Any = loadmat(io.BytesIO(data))
    except Exception as error:  # scipy raises nearly anything on damaged data
        raise tree.fault(name, f"is no MATLAB file: {error or type(error).__name__}", _AGAIN) from error
    for field in fields:
        known = value if isinstance(value, dict) else getattr(getattr(value, "dtype", None), "names", None)
        if field not in (known or ()):
            raise tree.fault(name, f"has no field {'.'.join(fields)}", _AGAIN)
        value = value[field]
        while (
            isinstance(value, np.ndarray) and value.size == 1 and (value.dtype == object or value.dtype.names)
        ):
            value = value.reshape(-1)[0]
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "iufb" or not np.array_equal(array, np.round(array)):
        what = f"{'.'.join(fields)} is {array.dtype} {array.shape}, expected whole numbers (H, W)"
        raise tree.fault(name, what, _AGAIN)
    check_size(tree, name, array.shape, size)
    return array.astype(np.int64)
