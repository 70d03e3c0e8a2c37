"""Pictures, masks and label files, for data sets that are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def mask(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask that is 255 inside boxes (left, top, right, bottom)."""
    pixels = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 255
    return pixels


def voc(width: int, height: int, *boxes: tuple[str, int, int, int, int]) -> str:
    objects = "".join(
        f"\n<object><name>{n}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for n, a, b, c, d in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f'<annotation verified="no"><folder>images</folder>{size}{objects}</annotation>\n'


def runs(height: int, left: int, top: int, right: int, bottom: int) -> str:
    """Return the runs of a box, counted down the columns from 1."""
    return " ".join(f"{x * height + top + 1} {bottom - top}" for x in range(left, right))


def dagm_labels(first: int, defects: list[bool]) -> str:
    """Return a Labels.txt as published: CRLF, tabs, a tab behind the lines of sound pictures."""
    lines = ["1"]
    for number, defect in enumerate(defects, first):
        tail = f"0\t{number:04d}_label.PNG" if defect else "0\t0\t"
        lines.append(f"{number:04d}\t{int(defect)}\t{number:04d}.PNG\t{tail}")
    return "\r\n".join(lines) + "\r\n"


def labelme(width: int, height: int, *shapes: tuple[str, list[list[float]]]) -> str:
    listed = [
        {"label": n, "points": p, "group_id": None, "shape_type": "polygon", "flags": {}} for n, p in shapes
    ]
    document = {"version": "4.5.6", "flags": {}, "shapes": listed, "imageData": "/9j/4AAQSkZJRg"}
    return json.dumps(document | {"imageHeight": height, "imageWidth": width}, indent=1)
