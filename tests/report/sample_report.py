"""A report with everything in it: a network that forks, a floor plan, a run with pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from finnspect.report.model import Edge, FailedReport, Report
from PIL import Image

CLASSES = ["good", "scratch", "pit"]


def figure(value, unit="cycles", kind="simulated", source=""):
    return {"value": value, "unit": unit, "kind": kind, "source": source}


#: Name, kind, what it reads, cycles: a stem, a block whose two ways meet in an add, a head.
LAYERS = [
    ("stem_window", "sliding_window", ["input"], 9216),
    ("stem", "matvec", ["stem_window"], 9216),
    ("left_window", "sliding_window", ["stem"], 9216),
    ("left", "matvec", ["left_window"], 9216),
    ("right", "matvec", ["stem"], 1024),
    ("join", "add", ["left", "right"], 2048),
    ("mean", "sum_pool", ["join"], 1024),
    ("dense", "matvec", ["mean"], 24),
]
SLOWEST = [name for name, _, _, cycles in LAYERS if cycles == 9216]


def edges():
    found = [
        Edge(source=source, target=name, shape=(16, 16, 8), type="UINT4")
        for name, _, reads, _ in LAYERS
        for source in reads
    ]
    return [*found, Edge(source="dense", target="output", shape=(1, 1, 3), type="INT12")]


def _layer(name, kind, cycles):
    return {
        "name": name,
        "kind": kind,
        "input_shape": [16, 16, 8],
        "output_shape": [16, 16, 8],
        "weight_type": "INT4" if kind == "matvec" else None,
        "input_type": "UINT4",
        "output_type": "UINT4",
        "pe": None if kind == "sliding_window" else 4,
        "simd": 8 if kind in ("matvec", "sliding_window") else None,
        "cycles_bound": figure(cycles, kind="estimated"),
        "cycles_simulated": figure(float(cycles)),
        "stalled_in_cycles": figure(12.5),
        "stalled_out_cycles": figure(0.0),
        "resources": {
            cell: figure(count, "cells", "estimated")
            for cell, count in (("lut", 300), ("ff", 200), ("bram", 1), ("dsp", 0))
        },
    }


def _finns(count):
    return {cell: figure(count, "cells", "estimated", "FINN") for cell in ("LUT", "DSP", "BRAM_18K")}


def _detail():
    cells = {
        name: {"LUT4": figure(280 + 20 * index, "cells", "post-synthesis", "yosys")}
        for index, (name, *_) in enumerate(LAYERS)
    }
    cells["shell"] = {"LUT4": figure(900, "cells", "post-synthesis", "yosys")}
    return {
        "edges": [edge.model_dump() for edge in edges()],
        "bottleneck": {
            "layers": SLOWEST,
            "moves": {"left": {"PE": "4 -> 8"}, "stem": {"PE": "4 -> 8"}},
            "cycles": figure(4608, kind="estimated"),
            "costs": {"lut": figure(310, "cells", "estimated"), "dsp": figure(0, "cells", "estimated")},
            "fits": True,
            "words": "4 of 8 layers need 9,216 cycles a frame.",
        },
        "timing": {
            "period": figure(13.33, "ns", "computed"),
            "slack": figure(2.5, "ns", "post-route", "nextpnr"),
            "logic": figure(6.1, "ns", "post-route", "nextpnr"),
            "routing": figure(4.73, "ns", "post-route", "nextpnr"),
        },
        "cells": cells,
        "finn": {
            "source": "FINN's estimates",
            "total": _finns(1200),
            "layers": {"stem": _finns(600)},
            "cycles": figure(9216, kind="estimated", source="FINN"),
        },
        "reproduce": ["finnspect build --package PACKAGE --board ulx3s-85f", "folding.json: {}"],
    }


def package(name="block_w4a4-drawn"):
    return {
        "name": name,
        "model": "block_w4a4",
        "dataset": "drawn",
        "classes": CLASSES,
        "input_shape": [16, 16, 1],
        "digest": "1" * 64,
        "data_sha256": "2" * 64,
        "metrics": {"test_accuracy": 0.9, "test_confusion": [[40, 2, 0], [3, 37, 0], [0, 1, 39]]},
    }


def document(name="block_w4a4-drawn", *, accuracy=0.985, fps=8138.0, lut=3440):
    """Return the document of a report."""
    return {
        "finnspect": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "package": package(name),
        "board": {
            "name": "ulx3s-85f",
            "part": "LFE5U-85F-6BG381C",
            "toolchain": "ecp5",
            "shell": "uart",
            "clock_mhz": 75.0,
            "seed": 1,
            "build_id": "3" * 32,
        },
        "exactness": {
            "images": 16,
            "logits": 48,
            "mismatches": 0,
            "qonnx_mismatches": 0,
            "logit_ties": 0,
            "changed_predictions": 0,
            "correct": None,
            "thresholds": 120,
            "thresholds_changed": 0,
            "compared": "RTL simulation against the integer reference",
        },
        "test_set": {
            "images": 122,
            "accuracy": figure(accuracy, "ratio", "measured", "integer reference"),
            "changed_predictions": 1,
            "ties": 0,
            "compared": "reference with torch",
        },
        "performance": {
            "folding_bound": figure(9216, kind="estimated"),
            "cycles_per_frame": figure(9216.0),
            "latency": figure(20345),
            "efficiency": figure(1.0, "ratio"),
            "fmax": figure(92.3, "MHz", "post-route", "nextpnr"),
            "critical_path": "u_core.u_stem.a_very_long_name_of_a_register_that_must_not_widen_the_page -> b",
            "clock": figure(75.0, "MHz", "post-route", "met by the bitstream"),
            "fps": figure(fps, "frames/s", "computed", "post-route clock / simulated cycles a frame"),
        },
        "resources": [
            {"name": "LUT4", "used": figure(lut, "cells", "post-route", "nextpnr"), "available": 83640},
            {"name": "LUT4", "used": figure(3100, "cells", "estimated", "core"), "available": 83640},
            {"name": "DP16KD", "used": figure(9, "cells", "post-route", "nextpnr"), "available": 208},
            {"name": "LUT4, core alone", "used": figure(3000, "cells", "post-synthesis"), "available": 83640},
        ],
        "layers": [_layer(name, kind, cycles) for name, kind, _, cycles in LAYERS],
        "fifos": {
            "count": 1,
            "bits": figure(768, "bits"),
            "unsized_bits": figure(4096, "bits", "estimated"),
        },
        "tools": {"yosys": "0.70", "nextpnr": "0.11"},
        "notes": ["block RAM is not timed <b>here</b>"],
        "stages": [{"name": "rtl", "seconds": figure(1.5, "s", "measured"), "key": "0" * 64}],
        "machine": {"platform": "Linux", "cpu_cores": 2},
        "files": {
            "bitstream": "../bitstream/x.bit",
            "deploy zip": "../deploy/x.zip",
            "floor plan": "../bitstream/floorplan.json",
            "training run": "../run",
        },
        "detail": _detail(),
    }


def write_build(root: Path) -> Path:
    """Write a build's folder as far as the page reads it, and return that of the report."""
    rng = np.random.default_rng(0)
    tiles = {f"u_core.u_{name}": rng.integers(1, 60, (80, 3)).tolist() for name, *_ in LAYERS}
    for folder in ("bitstream", "run", "report"):
        (root / folder).mkdir(parents=True)
    (root / "bitstream" / "floorplan.json").write_text(json.dumps({"tiles": tiles}))
    drawn = rng.integers(0, 255, (60, 800), dtype=np.uint8)
    Image.fromarray(drawn).save(root / "run" / "mistakes.png")
    (root / "run" / "metrics.json").write_text(json.dumps({"test_accuracy": 0.9, "seconds": 3}))
    (root / "report" / "report.json").write_text(Report.model_validate(document()).to_json())
    return root / "report"


def failed_report() -> FailedReport:
    """Return the report of a build that failed in its simulation."""
    return FailedReport.model_validate(
        {
            "finnspect": "0.1.0",
            "created": "2026-01-01T00:00:00+00:00",
            "package": package(),
            "board": "ulx3s-85f",
            "toolchain": "ecp5",
            "stage": "simulation",
            "error": "VerificationError",
            "message": "rtl vs reference: first difference in layer 'left', image 3: got 4, expected <5>",
            "remedy": "report this",
            "layer": "left",
            "logs": [{"file": "simulation.failed/build/run.log", "lines": ["one", "x" * 300]}],
            "stages": [{"name": "rtl", "seconds": figure(1.5, "s", "measured"), "key": "0" * 64}],
            "edges": [edge.model_dump() for edge in edges()],
            "tools": {"verilator": "5.48"},
            "machine": {"platform": "Linux", "cpu_cores": 2},
        }
    )
