"""Tables: CSV or fields parted by blanks, and run lengths in their fields."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from finnspect.errors import DataError

from quant_models.datasets.annotations.words import AGAIN
from quant_models.datasets.files import FileTree

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

    def fault(self, what: str, remedy: str = AGAIN) -> DataError:
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
                    raise tree.fault(name, f"{what} {','.join(columns)!r}", AGAIN, number)
                continue
            if not any(c.isdigit() for field in fields for c in field):
                what = f"{' '.join(fields)[:80]!r} looks like a header, where data begins at the first line"
                raise tree.fault(name, what, "take the header out", number)
        if len(fields) != len(columns):
            what = f"{len(fields)} fields, expected {len(columns)}: {', '.join(columns)}"
            raise tree.fault(name, what, AGAIN, number)
        yield Row(tree, name, number, dict(zip(columns, fields, strict=True)))
    if first:
        raise tree.fault(name, "is empty", AGAIN)


def _csv_lines(tree: FileTree, name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise tree.fault(name, f"is no CSV: {error}", AGAIN, reader.line_num) from error


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
