"""Boxes, and the VOC files that hold them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree
from xml.parsers import expat

from quant_models.datasets.annotations.words import AGAIN
from quant_models.datasets.files import FileTree


@dataclass(frozen=True, slots=True)
class Box:
    """A named rectangle: pixels with left <= x < right and top <= y < bottom.

    ``line`` is where it stands in its file, for messages; None where that is not known.
    """

    name: str
    left: int
    top: int
    right: int
    bottom: int
    line: int | None = field(default=None, compare=False)

    @property
    def ends(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    def inside(self, height: int, width: int) -> Box | None:
        """Return the part of the box inside a picture; None where there is nothing."""
        left, top = max(self.left, 0), max(self.top, 0)
        right, bottom = min(self.right, width), min(self.bottom, height)
        inside = replace(self, left=left, top=top, right=right, bottom=bottom)
        return inside if left < right and top < bottom else None


def make_box(tree: FileTree, file: str, name: str, ends: Sequence[float], line: int | None = None) -> Box:
    """Return a box from left, top, right, bottom; fractions of pixels are taken into the box.

    Raises
    ------
    DataError
        An end is not finite, or the box is empty.
    """
    if not all(math.isfinite(end) and abs(end) < 1e9 for end in ends):
        raise tree.fault(file, f"the box {tuple(ends)} has an end that is no number", AGAIN, line)
    left, top, right, bottom = ends
    box = Box(name, math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom), line)
    if box.left >= box.right or box.top >= box.bottom:
        raise tree.fault(file, f"the box {tuple(ends)} of {name!r} is empty", AGAIN, line)
    return box


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
    text = re.sub(r"^\s*<\?xml[^>]*\?>", lambda head: "\n" * head[0].count("\n"), text)  # it is decoded
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise tree.fault(name, f"is no XML: {error}", AGAIN, error.position[0]) from error
    if root.tag != "annotation":
        raise tree.fault(name, f"begins with <{root.tag}>, expected <annotation>", AGAIN)
    size = [
        _voc_number(tree, name, root, f"size/{side}") if root.find(f"size/{side}") is not None else None
        for side in ("height", "width")
    ]
    height, width = (None if not value else int(value) for value in size)
    boxes = []
    for thing, line in zip(root.iter("object"), _lines_of(text, "object"), strict=True):
        label = (thing.findtext("name") or "").strip()
        if not label:
            raise tree.fault(name, "an object has no name", AGAIN, line)
        ends = [
            _voc_number(tree, name, thing, f"bndbox/{end}", line) for end in ("xmin", "ymin", "xmax", "ymax")
        ]
        boxes.append(make_box(tree, name, label, ends, line))
    return Voc(height, width, tuple(boxes))


def _lines_of(text: str, tag: str) -> list[int]:
    """Return the lines in which elements begin, in the order of the document; ElementTree forgets them."""
    parser, lines = expat.ParserCreate(), []

    def begin(name: str, _: dict[str, str]) -> None:
        if name == tag:
            lines.append(parser.CurrentLineNumber)

    parser.StartElementHandler = begin
    parser.Parse(text, True)
    return lines


def _voc_number(
    tree: FileTree, name: str, element: ElementTree.Element, path: str, line: int | None = None
) -> float:
    text = element.findtext(path)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        found = "is missing" if text is None else f"is {text.strip()!r}"
        raise tree.fault(name, f"<{path}> {found}, expected a number", AGAIN, line)
    return value
