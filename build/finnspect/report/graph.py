"""The network as a picture: rows by distance from the input, forks side by side; no library needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from finnspect.report.charts import shorten
from finnspect.report.model import Edge, LayerReport

_WIDTH, _HEIGHT = 208, 54
_GAP_X, _GAP_Y = 14, 26
_BEND = 16  # width of a stream that passes a row
_MARGIN = 8
_ENDS = ("input", "output")


@dataclass
class Node:
    """A box of the picture.

    Parameters
    ----------
    layers
        Names of the layers that it stands for: a unit, and the window in front of it.
    lines
        Text, the name first.
    share
        How busy it is, 0 to 1; None where unknown.
    mark
        ``slowest``, ``failed`` or nothing.
    """

    name: str
    layers: tuple[str, ...]
    lines: tuple[str, ...]
    share: float | None = None
    mark: str = ""


@dataclass
class _Layout:
    rows: list[list[str]] = field(default_factory=list)  # a stream that passes a row is `#number`
    place: dict[str, tuple[float, float]] = field(default_factory=dict)  # middle of the box's top
    paths: list[tuple[Edge, list[str]]] = field(default_factory=list)
    width: float = 0
    height: float = 0


def _size(name: str) -> int:
    return _BEND if name.startswith("#") else _WIDTH


def _ranks(names: Sequence[str], links: Sequence[Edge]) -> dict[str, int]:
    """Return the longest way from the input of each node; ``names`` are in topological order."""
    rank = dict.fromkeys(names, 0)
    for name in names:
        before = [rank[link.source] + 1 for link in links if link.target == name]
        rank[name] = max(before, default=0)
    return rank


def layout(names: Sequence[str], links: Sequence[Edge]) -> _Layout:
    """Place nodes in rows.

    Parameters
    ----------
    names
        In topological order.
    links
        Between them.
    """
    found = _Layout()
    rank = _ranks(names, links)
    rows: list[list[str]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for name in names:
        rows[rank[name]].append(name)
    neighbours: dict[str, list[str]] = {}
    passing = 0
    for link in links:
        path = [link.source]
        for row in range(rank[link.source] + 1, rank[link.target]):
            passing += 1
            path.append(f"#{passing}")
            rows[row].append(path[-1])
        path.append(link.target)
        found.paths.append((link, path))
        for one, other in pairwise(path):
            neighbours.setdefault(other, []).append(one)
    order = {name: index for index, name in enumerate(rows[0])}
    for row in rows[1:]:  # each beside what it reads
        above = {name: [order[each] for each in neighbours.get(name, ()) if each in order] for name in row}
        row.sort(key=lambda name: sum(above[name]) / len(above[name]) if above[name] else 0)
        order |= {name: index for index, name in enumerate(row)}
    found.rows = rows
    widths = [sum(_size(name) + _GAP_X for name in row) - _GAP_X for row in rows]
    found.width = max(widths, default=0) + 2 * _MARGIN
    for index, (row, width) in enumerate(zip(rows, widths, strict=True)):
        x = (found.width - width) / 2
        for name in row:
            found.place[name] = x + _size(name) / 2, _MARGIN + index * (_HEIGHT + _GAP_Y)
            x += _size(name) + _GAP_X
    found.height = 2 * _MARGIN + len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y
    return found


# -- nodes ----------------------------------------------------------------------------------------


def _words(layer: LayerReport) -> tuple[str, ...]:
    kind = layer.kind.replace("_", " ")
    if layer.kind == "matvec":
        kind = "dense" if layer.output_shape[:2] == (1, 1) else "convolution"
    types = f"{layer.weight_type}, {layer.output_type}" if layer.weight_type else layer.output_type
    fold = "  ".join(
        f"{name} {value}" for name, value in (("PE", layer.pe), ("SIMD", layer.simd)) if value is not None
    )
    return layer.name, f"{kind}  {types}", fold


def nodes_of(layers: Sequence[LayerReport], slowest: Sequence[str], bound: float) -> list[Node]:
    """Return the boxes of a report: a window and its only reader share one.

    Parameters
    ----------
    slowest
        Layers that are marked.
    bound
        Cycles that count as busy all the time.
    """
    found, window = [], None
    for index, layer in enumerate(layers):
        following = layers[index + 1] if index + 1 < len(layers) else None
        if (
            layer.kind == "sliding_window"
            and following is not None
            and following.input_shape == layer.output_shape
            and following.kind in ("matvec", "depthwise")
        ):
            window = layer
            continue
        parts = [layer] if window is None else [window, layer]
        cycles = max(part.cycles_bound.value for part in parts)
        found.append(
            Node(
                layer.name,
                tuple(part.name for part in parts),
                _words(layer),
                cycles / bound if bound else None,
                "slowest" if any(part.name in slowest for part in parts) else "",
            )
        )
        window = None
    return found


def nodes_of_edges(edges: Sequence[Edge], failed: str | None) -> list[Node]:
    """Return boxes where only the streams are known."""
    made = {edge.source: edge for edge in edges}
    return [
        Node(name, (name,), (name, f"{'x'.join(map(str, edge.shape))}  {edge.type}"), None,
             "failed" if name == failed else "")
        for name, edge in made.items()
        if name not in _ENDS
    ]  # fmt: skip


def _joined(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Edge]:
    """Return the streams between boxes; those within one are left out."""
    box = {layer: node.name for node in nodes for layer in node.layers} | {end: end for end in _ENDS}
    return [
        edge.model_copy(update={"source": box[edge.source], "target": box[edge.target]})
        for edge in edges
        if edge.source in box and edge.target in box and box[edge.source] != box[edge.target]
    ]


# -- drawing --------------------------------------------------------------------------------------


def _box(node: Node, x: float, y: float) -> list[str]:
    left = x - _WIDTH / 2
    lines = [
        f'<g class="node {node.mark}">',
        f'<rect x="{left:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>',
    ]
    if node.share is not None:
        width = max(1.0, node.share * (_WIDTH - 2))
        lines.append(
            f'<rect class="share" x="{left + 1:g}" y="{y + _HEIGHT - 5:g}" width="{width:.1f}" height="4"/>'
        )
    name, *rest = node.lines
    lines.append(
        f'<text x="{left + 8:g}" y="{y + 17:g}" class="name">'
        f"{escape(shorten(name, 18 if node.mark else 25))}</text>"
    )
    if node.mark:
        lines.append(
            f'<text x="{left + _WIDTH - 8:g}" y="{y + 17:g}" class="mark">{escape(node.mark)}</text>'
        )
    lines.append(f'<text x="{left + 8:g}" y="{y + 31:g}">{escape("  ".join(rest[:1]))}</text>')
    if len(rest) > 1 and rest[1]:
        lines.append(f'<text x="{left + 8:g}" y="{y + 44:g}" class="fold">{escape(rest[1])}</text>')
    return [*lines, "</g>"]


def _end(name: str, x: float, y: float) -> list[str]:
    middle = y + _HEIGHT / 2
    return [
        '<g class="end">',
        f'<rect x="{x - 45:g}" y="{middle - 14:g}" width="90" height="28" rx="14"/>',
        f'<text x="{x:g}" y="{middle + 4:g}" class="middle">{escape(name)}</text></g>',
    ]


def _path(path: Sequence[str], place: Mapping[str, tuple[float, float]]) -> str:
    x, y = place[path[0]]
    y += _HEIGHT / 2 + 14 if path[0] in _ENDS else _HEIGHT
    parts = [f"M{x:g} {y:g}"]
    for name in path[1:]:
        to_x, to_y = place[name]
        if name in _ENDS:
            to_y += _HEIGHT / 2 - 14
        bend = (to_y - y) / 2
        parts.append(f"C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
        if name.startswith("#"):
            y += _HEIGHT
            parts.append(f"L{x:g} {y:g}")
    return " ".join(parts)


def graph_svg(nodes: Sequence[Node], edges: Sequence[Edge], title: str) -> str:
    """Return the picture, an SVG element with title and description.

    Parameters
    ----------
    nodes
        In topological order.
    edges
        Between layers, and from ``input`` and to ``output``.
    """
    links = _joined(nodes, edges)
    names = ["input", *(node.name for node in nodes), "output"]
    placed = layout(names, links)
    by_name = {node.name: node for node in nodes}
    parts = [
        f'<svg class="network" role="img" aria-labelledby="graph-title graph-desc" '
        f'viewBox="0 0 {placed.width:g} {placed.height:g}" width="{placed.width:g}" '
        f'height="{placed.height:g}" xmlns="http://www.w3.org/2000/svg">',
        f'<title id="graph-title">{escape(title)}</title>',
        f'<desc id="graph-desc">{escape(_describe(links))}</desc>',
        '<defs><marker id="graph-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 Z"/></marker></defs>',
    ]
    for _, path in placed.paths:
        parts.append(f'<path class="stream" d="{_path(path, placed.place)}" marker-end="url(#graph-tip)"/>')
    for link, path in placed.paths:
        x, y = placed.place[path[0]]
        if len(path) == 2 and placed.place[path[1]][0] == x:
            words = f"{'x'.join(map(str, link.shape))} {escape(link.type)}"
            parts.append(f'<text class="shape" x="{x + 7:g}" y="{y + _HEIGHT + 16:g}">{words}</text>')
    for name in names:
        x, y = placed.place[name]
        parts += _box(by_name[name], x, y) if name in by_name else _end(name, x, y)
    return "\n".join([*parts, "</svg>"])


def _describe(links: Sequence[Edge]) -> str:
    """Return the network in words: what reads what."""
    readers: dict[str, list[str]] = {}
    for link in links:
        readers.setdefault(link.source, []).append(link.target)
    return "; ".join(f"{source} to {' and '.join(targets)}" for source, targets in readers.items())
