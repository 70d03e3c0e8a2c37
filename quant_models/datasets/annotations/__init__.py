"""Readers of label files: tables, VOC XML, labelme JSON, run lengths, masks, MATLAB arrays.

Each takes the set's :class:`FileTree` and a file name, and raises ``DataError`` naming the file, the line
where there is one, what was found and what was expected. None of them guesses.
"""

from quant_models.datasets.annotations.boxes import Box, Voc, make_box, read_voc
from quant_models.datasets.annotations.masks import check_size, read_mask, read_mat
from quant_models.datasets.annotations.shapes import Labelme, Shape, read_json, read_labelme
from quant_models.datasets.annotations.tables import Row, read_table, run_length_mask

__all__ = [
    "Box",
    "Labelme",
    "Row",
    "Shape",
    "Voc",
    "check_size",
    "make_box",
    "read_json",
    "read_labelme",
    "read_mask",
    "read_mat",
    "read_table",
    "read_voc",
    "run_length_mask",
]
