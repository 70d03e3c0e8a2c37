"""An emitted accelerator: a folder that simulators and synthesis tools read with relative names.

It holds ``finnspect_core.sv``, ``rtl/`` (the library modules in use), ``mem/`` (memory images),
``files.f`` (sources in order) and ``manifest.json``. The same graph, folding and options give the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from finnspect import analysis, fifo
from finnspect.emit.layers import emit_layer
from finnspect.emit.network import Network, Stream
from finnspect.errors import ConfigError, PackageError, UnsupportedModelError
from finnspect.folding import Folding, check_folding
from finnspect.ir import ArgMax, DataflowGraph, MatVec
from finnspect.paths import RTL_DIR

FORMAT = "finnspect-accelerator"
FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
FILE_LIST = "files.f"
TOP = "finnspect_core"
LOGIT_BITS = 32


@dataclass(frozen=True)
class EmitOptions:
    """What may vary for one graph and folding.

    Parameters
    ----------
    fifo_depths
        Key of a reader (:func:`finnspect.fifo.edges`; the tensor's name where it has one reader) -> beats
        of FIFO in front of it, none where not named. None: those of :func:`finnspect.fifo.default_depths`.
    mul_styles
        MatVec name -> ``lut`` or ``dsp``: what its multipliers are made of, where it is not the choice of
        :func:`finnspect.analysis.multiplier_styles`.
    dsp_budget
        Hard multipliers that this choice may use.
    technology
        Device family, a key of :data:`finnspect.analysis.TECHNOLOGIES`: what its hard multipliers save.
    rtl_dirs
        Folders with modules beside the library's, one a file: of layers from outside the package.
    """

    fifo_depths: Mapping[str, int] | None = None
    mul_styles: Mapping[str, str] = field(default_factory=dict)
    dsp_budget: int = analysis.DSP_BUDGET
    technology: str = analysis.ECP5.name
    rtl_dirs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Fifo:
    """A FIFO of the core.

    Parameters
    ----------
    key
        Of the reader, in ``EmitOptions.fifo_depths``.
    source, sink
        Nets at its input and output.
    depth, width
        Beats, and bits of one.
    reader
        Layer or module behind it.
    """

    key: str
    source: str
    sink: str
    depth: int
    width: int
    reader: str

    @property
    def bits(self) -> int:
        """Bits of storage."""
        return self.depth * self.width


@dataclass(frozen=True)
class Accelerator:
    """An accelerator folder and its manifest."""

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> Accelerator:
        """Open the folder that :func:`emit_accelerator` wrote.

        Raises
        ------
        PackageError
            There is no readable manifest of this format version.
        """
        try:
            manifest = json.loads((path / MANIFEST_FILE).read_text())
        except (OSError, ValueError) as error:
            raise PackageError(f"no accelerator in {path}: {error}", "build it again") from error
        if (manifest.get("format"), manifest.get("format_version")) != (FORMAT, FORMAT_VERSION):
            raise PackageError(
                f"{path} holds {manifest.get('format')} version {manifest.get('format_version')}, "
                f"this finnspect reads {FORMAT} version {FORMAT_VERSION}",
                "build it again with this version",
            )
        return cls(path, manifest)

    @property
    def sources(self) -> tuple[str, ...]:
        """SystemVerilog files relative to :attr:`path`, the core last."""
        return tuple(self.manifest["sources"])

    @property
    def images(self) -> tuple[str, ...]:
        """Memory images relative to :attr:`path`."""
        return tuple(self.manifest["images"])

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """Every internal stream, in topological order, the input first."""
        return tuple(Stream.from_json(item) for item in self.manifest["streams"])

    @property
    def argmax(self) -> bool:
        """Whether the output is the class instead of the logits."""
        return self.manifest["output"]["kind"] == "argmax"

    @cached_property
    def fifos(self) -> tuple[Fifo, ...]:
        """Every FIFO, in topological order."""
        widths = {stream.net: stream.width for stream in self.streams}
        found = []
        for each in self.manifest["instances"]:
            if each["module"] == "fs_fifo":
                (source,), (sink,) = each["sources"], each["sinks"]
                key, depth = self.manifest["fifos"][sink], each["params"]["DEPTH"]
                found.append(Fifo(key, source, sink, depth, widths[sink], self.reader(sink)))
        return tuple(found)

    def reader(self, net: str) -> str:
        """Return the layer that reads a stream, or the module where it is none; ``output`` at the end."""
        for each in self.manifest["instances"]:
            if net in each["sources"]:
                return each["layer"] or each["name"].removeprefix("u_")
        return "output"

    @property
    def input_elements(self) -> int:
        """Pixels' channels (bytes) in a beat of the input."""
        return self.manifest["input"]["elements"]

    @property
    def input_beats(self) -> int:
        """Beats of the input a frame."""
        return self.manifest["input"]["beats"]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one image."""
        return self.input_elements * self.input_beats

    @property
    def classes(self) -> int:
        """Logits a frame; 1 where the output is the class."""
        return self.manifest["output"]["classes"]

    @property
    def bound(self) -> analysis.Bound:
        """Folding bound: the slowest layer, in cycles a frame."""
        return analysis.Bound(**self.manifest["bound"])

    @property
    def digest(self) -> str:
        """SHA-256 over every file but the manifest."""
        return self.manifest["sha256"]


def emit_accelerator(
    graph: DataflowGraph, folding: Folding, out_dir: Path, options: EmitOptions | None = None
) -> Accelerator:
    """Write the accelerator of ``graph`` into the folder ``out_dir``, whole or not at all.

    Parameters
    ----------
    folding
        PE and SIMD of every layer.
    out_dir
        Replaced if it is there.

    Raises
    ------
    ConfigError
        The folding does not fit the graph.
    UnsupportedModelError
        The library has no hardware for a layer.
    """
    options = options or EmitOptions()
    network = build_network(graph, folding, options)
    output = network.take(None, graph.output, 1)
    if output.width > LOGIT_BITS:
        raise UnsupportedModelError(
            graph.producer(graph.output).name,
            f"its output needs {output.width} bits, logits have {LOGIT_BITS}",
            "use fewer bits for weights or activations",
        )
    files = {f"{TOP}.sv": _render(graph, network, output), **network.images}
    modules = {instance.module for instance in network.instances} | {"fs_logits"}
    library_files = library_closure(modules, RTL_DIR, *options.rtl_dirs)
    library = {f"rtl/{path.name}": path.read_text() for path in library_files}
    files |= library
    sources = [*library, f"{TOP}.sv"]
    files[FILE_LIST] = "".join(f"{name}\n" for name in sources)
    manifest = _manifest(graph, folding, options, network, output)
    manifest |= {"sources": sources, "images": sorted(network.images), "sha256": _digest(files)}
    files[MANIFEST_FILE] = json.dumps(manifest, indent=1) + "\n"
    _write_folder(out_dir, files)
    return Accelerator.load(out_dir)


def build_network(graph: DataflowGraph, folding: Folding, options: EmitOptions) -> Network:
    """Return the network of a graph: every layer's modules and the plumbing between them."""
    check_folding(graph, folding)
    _check_options(graph, options)
    tech = analysis.TECHNOLOGIES[options.technology]
    styles = analysis.multiplier_styles(graph, folding, options.dsp_budget, tech) | dict(options.mul_styles)
    depths = options.fifo_depths
    if depths is None:
        depths = fifo.default_depths(graph, folding)
    network = Network(graph, folding, depths, styles, options.technology)
    source = graph.tensors[graph.input]
    if (source.dtype.bits, source.dtype.signed) != (8, False):
        raise UnsupportedModelError(
            graph.input, f"the input is {source.dtype}, the hardware takes UINT8", "feed raw pixels"
        )
    first = graph.consumers(graph.input)[0]
    network.put(graph.input, graph.input, analysis.taken_elements(first, graph, folding))
    read = {edge.tensor for edge in fifo.edges(graph)}
    for layer in graph:
        if not read.issuperset(layer.outputs):
            raise UnsupportedModelError(
                layer.name, "nothing reads its output", "leave out the layers that do not lead to the output"
            )
        emit_layer(layer, network)
    return network


def _check_options(graph: DataflowGraph, options: EmitOptions) -> None:
    keys = [edge.key for edge in fifo.edges(graph)]
    for name, depth in (options.fifo_depths or {}).items():
        if name not in keys or depth < 2:
            raise ConfigError(
                f"a FIFO of {depth} beats is asked for on {name!r}",
                f"a depth of at least 2; streams of {graph.name}: {', '.join(keys)}",
            )
    matvecs = [layer.name for layer in graph if isinstance(layer, MatVec)]
    for name, style in options.mul_styles.items():
        if name not in matvecs or style not in ("lut", "dsp", "mixed"):
            raise ConfigError(
                f"multipliers {style!r} are asked for in layer {name!r}",
                f"lut, dsp or mixed; layers with multipliers: {', '.join(matvecs)}",
            )


def library_closure(modules: set[str], *folders: Path) -> list[Path]:
    """Return the files of library modules and of all they instantiate, leaves first.

    One module a file, so the names that a file mentions are enough. ``folders`` are the library's if none
    is given; the first that has a module gives it.
    """
    known: dict[str, Path] = {}
    for folder in reversed(folders or (RTL_DIR,)):
        known |= {path.stem: path for path in sorted(folder.glob("*.sv"))}
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in order:
            return
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", known[name].read_text(), flags=re.DOTALL)
        for other in sorted(set(re.findall(r"\w+", text)) & known.keys() - {name}):
            visit(other)
        order[name] = known[name]

    for module in sorted(modules):
        visit(module)
    return list(order.values())


def _literal(value: int | str) -> str:
    if isinstance(value, str):  # a number with its width stays as it is
        return value if re.fullmatch(r"[0-9]+'h[0-9a-f]+", value) else f'"{value}"'
    return str(value)


def _nets(streams: tuple[Stream, ...], signal: str) -> str:
    names = [f"{stream.net}_{signal}" for stream in reversed(streams)]
    return names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"


def _render(graph: DataflowGraph, network: Network, output: Stream) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("finnspect.emit"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters["literal"] = _literal
    environment.filters["nets"] = _nets
    source = network.streams[0]
    return environment.get_template("core.sv.j2").render(
        title=re.sub(r"[^\w .-]", "_", graph.name),
        input=source,
        output=output,
        classes=graph.tensors[graph.output].size,
        argmax=isinstance(graph.producer(graph.output), ArgMax),
        streams=network.streams,
        instances=network.instances,
    )


def _manifest(
    graph: DataflowGraph, folding: Folding, options: EmitOptions, network: Network, output: Stream
) -> dict[str, Any]:
    source = network.streams[0]
    bound = analysis.folding_bound(graph, folding)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": graph.name,
        "top": TOP,
        "input": {
            "width_bits": source.width,
            "elements": source.elements,
            "beats": source.beats,
            "shape": list(graph.tensors[graph.input].shape),
        },
        "output": {
            "kind": "argmax" if isinstance(graph.producer(graph.output), ArgMax) else "logits",
            "width_bits": LOGIT_BITS,
            "classes": graph.tensors[graph.output].size,
            "net": output.net,
            "dtype": str(output.dtype),
        },
        "bound": {"layer": bound.layer, "cycles": bound.cycles},
        "cycles": analysis.graph_cycles(graph, folding),
        "folding": folding.to_json(),
        "fifo_depths": dict(sorted(network.fifo_depths.items())),
        "fifos": dict(sorted(network.fifos.items())),
        "mul_styles": dict(sorted(network.mul_styles.items())),
        "streams": [stream.to_json() for stream in network.streams],
        "instances": [
            {
                "name": each.name,
                "module": each.module,
                "layer": each.layer,
                "sources": [stream.net for stream in each.sources],
                "sinks": [stream.net for stream in each.sinks],
                "params": dict(each.params),
            }
            for each in network.instances
        ],
    }


def _digest(files: Mapping[str, str]) -> str:
    listing = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    return hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()


def _write_folder(out_dir: Path, files: Mapping[str, str]) -> None:
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    try:
        temporary.chmod(0o755)
        for name, text in files.items():
            path = temporary / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        if out_dir.exists():
            shutil.rmtree(out_dir)
        temporary.rename(out_dir)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
