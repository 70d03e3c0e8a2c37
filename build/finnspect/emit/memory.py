"""Memory images of ``fs_mvau``: weights and thresholds as ``$readmemh`` text.

Pure functions of a :class:`~finnspect.ir.MatVec` and its folding; the layouts are the ones in the headers of
``hw/rtl/fs_mvau.sv``, ``fs_threshold.sv``, ``fs_threshold_stage.sv`` and ``fs_threshold_rows.sv``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finnspect.analysis.styles import SEARCH_CYCLES
from finnspect.errors import ConfigError
from finnspect.ir import IntType, MatVec


def readmemh(fields: np.ndarray, bits: int) -> str:
    """Return ``$readmemh`` text, one word a line.

    Parameters
    ----------
    fields
        Integers, shape (words, fields); field 0 goes into the low bits.
    bits
        Width of one field; values are taken modulo ``2**bits`` (two's complement).
    """
    words, count = fields.shape
    width = count * bits
    places = (fields.astype(np.int64)[:, :, None] >> np.arange(bits)) & 1
    digits = -(-width // 4)
    stream = np.zeros((words, 4 * digits), dtype=np.uint8)
    stream[:, :width] = places.reshape(words, width)
    # the highest bit first, eight bits a byte
    padded = np.zeros((words, -(-4 * digits // 8) * 8), dtype=np.uint8)
    padded[:, padded.shape[1] - 4 * digits :] = stream[:, ::-1]
    return "".join(f"{row.tobytes().hex()[-digits:]}\n" for row in np.packbits(padded, axis=1))


def _fold(layer: MatVec, pe: int, simd: int) -> tuple[int, int]:
    """Return NF and SF."""
    if pe < 1 or layer.MH % pe or simd < 1 or layer.MW % simd:
        raise ConfigError(
            f"layer {layer.name!r}: PE {pe} must divide MH {layer.MH}, SIMD {simd} must divide MW {layer.MW}",
            "choose another folding",
        )
    return layer.MH // pe, layer.MW // simd


def _check_range(layer: MatVec, what: str, values: np.ndarray, dtype: IntType) -> None:
    if values.size and (values.min() < dtype.min or values.max() > dtype.max):
        wanted = IntType.spanning(int(values.min()), int(values.max()), signed=True)
        raise ConfigError(
            f"layer {layer.name!r}: {what} from {values.min()} to {values.max()} do not fit {dtype}",
            f"widen the layer's type to {wanted}",
        )


def weight_image(layer: MatVec, pe: int, simd: int) -> str:
    """Return the text of ``WEIGHT_FILE``: NF*SF words of PE*SIMD weights.

    Word ``nf*SF + sf`` holds, at field ``p*SIMD + s``, row ``nf*PE + p``, column ``sf*SIMD + s``.
    Bipolar weights are one bit each, 1 for +1.

    Raises
    ------
    ConfigError
        The folding does not divide the matrix, or a weight does not fit its type.
    """
    nf, sf = _fold(layer, pe, simd)
    _check_range(layer, "weights", layer.weights, layer.weight_dtype)
    words = layer.weights.reshape(nf, pe, sf, simd).transpose(0, 2, 1, 3)
    fields = words.reshape(nf * sf, pe * simd)
    return readmemh(fields > 0, 1) if layer.bipolar else readmemh(fields, layer.weight_dtype.bits)


@dataclass(frozen=True, slots=True)
class SearchStage:
    """Levels ``level`` to ``level + count - 1`` of the binary search, done by one ``fs_threshold_stage``."""

    level: int
    count: int


def search_levels(steps: int) -> int:
    """Return the levels of a binary search over ``steps`` thresholds."""
    return steps.bit_length()


def search_stages(levels: int, sf: int, style: str = "distributed") -> tuple[SearchStage, ...]:
    """Return how ``fs_threshold`` cuts a search of ``levels`` levels when inputs come every ``sf`` cycles.

    Parameters
    ----------
    style
        ``THRESH_STYLE`` of ``fs_mvau``, a key of :data:`~finnspect.analysis.styles.SEARCH_CYCLES`.
    """
    each = max(1, sf // SEARCH_CYCLES[style])
    return tuple(SearchStage(first, min(each, levels - first)) for first in range(0, levels, each))


def _node_thresholds(thresholds: np.ndarray, levels: int) -> np.ndarray:
    """Return thresholds in heap order, shape (channels, 2**levels); node 0 does not exist and holds 0."""
    heap = np.zeros((len(thresholds), 1 << levels), dtype=np.int64)
    for level in range(levels):
        span = 1 << (levels - level)  # leaves below a node of this level
        heap[:, 1 << level : 2 << level] = thresholds[:, span // 2 - 1 :: span]
    return heap


def searched_thresholds(layer: MatVec, a_type: IntType | None) -> tuple[np.ndarray, int]:
    """Return the thresholds as ``fs_mvau`` compares them, int64 (MH, steps), and their bits.

    Those of the layer; with bipolar weights, those of what ``fs_dot_bipolar`` counts instead of the
    accumulator: element less the type's least value where the weight is +1, else the type's largest value
    less the element.

    Parameters
    ----------
    a_type
        Type of the layer's input; needed where weights are bipolar.

    Raises
    ------
    ConfigError
        A threshold does not fit the accumulator type.
    """
    assert layer.activation is not None
    thresholds = layer.activation.thresholds
    _check_range(layer, "thresholds", thresholds, layer.acc_dtype)
    if not layer.bipolar:
        return thresholds, layer.acc_dtype.bits
    assert a_type is not None, layer.name
    span = a_type.max - a_type.min
    bits = (span * layer.MW + 1).bit_length()  # one value more than the largest count
    minus = (layer.weights < 0).sum(axis=1)
    offset = span * minus - a_type.min * (layer.MW - 2 * minus)
    counts = np.clip(thresholds + offset[:, None], 0, (1 << bits) - 1)
    return counts - (1 << (bits - 1)), bits


def threshold_images(
    layer: MatVec,
    pe: int,
    simd: int,
    style: str = "distributed",
    rows: int = 0,
    a_type: IntType | None = None,
) -> dict[str, str]:
    """Return the threshold files: what follows the ``THRESH_FILE`` prefix in the file's name -> text.

    Parameters
    ----------
    layer
        With an activation of S steps (``THRESHOLDS`` of ``fs_mvau``). Steps up to the next ``2**n - 1`` are
        filled with the type's maximum, which is never reached.
    style
        ``THRESH_STYLE`` of ``fs_mvau``.
    rows
        ``THRESH_ROWS`` of ``fs_mvau``.
    a_type
        Type of the layer's input; needed where weights are bipolar.

    Returns
    -------
    dict
        ``"_p000_s0.mem"`` and so on, one for each row of PE and each stage, or with ``rows``
        ``"_u000.mem"``, one for each unit; empty without an activation.

    Raises
    ------
    ConfigError
        The folding does not divide the matrix, or a threshold does not fit the accumulator type.
    """
    if layer.activation is None:
        return {}
    nf, sf = _fold(layer, pe, simd)
    sets = layer.activation.thresholds.shape[0]
    if sets != layer.MH:
        raise ConfigError(
            f"layer {layer.name!r}: {sets} threshold sets for {layer.MH} rows",
            "give every row its own thresholds",
        )
    thresholds, bits = searched_thresholds(layer, a_type)
    steps = thresholds.shape[1]
    levels = search_levels(steps)
    full = np.full((layer.MH, (1 << levels) - 1), (1 << (bits - 1)) - 1, dtype=np.int64)
    full[:, :steps] = thresholds
    heap = _node_thresholds(full, levels).reshape(nf, pe, -1)
    if rows:
        return _unit_images(heap, rows, bits)
    images = {}
    for index, stage in enumerate(search_stages(levels, sf, style)):
        first = 1 << stage.level if stage.count == 1 else 0
        part = heap[:, :, first : 1 << (stage.level + stage.count)]
        for row in range(pe):
            words = part[:, row].reshape(-1, 1)
            images[f"_p{row:03d}_s{index}.mem"] = readmemh(words, bits)
    return images


def _unit_images(heap: np.ndarray, rows: int, bits: int) -> dict[str, str]:
    """Return the images of ``fs_threshold_rows`` for nodes of shape (NF, PE, nodes)."""
    nf, pe, nodes = heap.shape
    images = {}
    for unit, first in enumerate(range(0, pe, rows)):
        words = np.zeros((nf, 1 << (rows - 1).bit_length(), nodes), dtype=np.int64)
        part = heap[:, first : first + rows]
        words[:, : part.shape[1]] = part
        images[f"_u{unit:03d}.mem"] = readmemh(words.reshape(-1, 1), bits)
    return images


def weight_banks(image: str, bank: int) -> dict[str, str]:
    """Cut a weight image into banks of ``bank`` words, the last filled up with zeros.

    Returns
    -------
    dict
        What follows the ``WEIGHT_FILE`` prefix in the file's name -> text: ``"_b00.mem"`` and so on.
    """
    lines = image.splitlines(keepends=True)
    zero = "0" * (len(lines[0]) - 1) + "\n"
    lines += [zero] * (-len(lines) % bank)
    starts = range(0, len(lines), bank)
    return {f"_b{i:02d}.mem": "".join(lines[start : start + bank]) for i, start in enumerate(starts)}


def mvau_images(
    layer: MatVec,
    stem: str,
    pe: int,
    simd: int,
    style: str = "distributed",
    bank: int = 0,
    rows: int = 0,
    a_type: IntType | None = None,
) -> tuple[str, str, dict[str, str]]:
    """Return ``WEIGHT_FILE``, ``THRESH_FILE`` and all files' text by name; names begin with ``stem``.

    ``style``, ``bank`` and ``rows`` are ``THRESH_STYLE``, ``WEIGHT_BANK`` and ``THRESH_ROWS`` of ``fs_mvau``.
    """
    weights, prefix = f"{stem}_weights", f"{stem}_thresholds"
    image = weight_image(layer, pe, simd)
    if bank:
        files = {weights + part: text for part, text in weight_banks(image, bank).items()}
    else:
        weights += ".mem"
        files = {weights: image}
    thresholds = threshold_images(layer, pe, simd, style, rows, a_type)
    files |= {prefix + part: text for part, text in thresholds.items()}
    return weights, prefix, files
