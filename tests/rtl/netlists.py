"""Netlists as a device gets them, made of what its cells do: to simulate instead of the sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from finnspect.paths import RTL_DIR
from finnspect.sim.bench import Bench
from finnspect.toolchains.core_synth import SYNTH
from finnspect.toolchains.yosys import read_slang, run_yosys, stage

#: Models of cells: yosys' own, and of those that it has none for.
MODELS = {"xc7": ("+/xilinx/cells_sim.v",), "ecp5": ("-DNO_INCLUDES +/ecp5/cells_sim.v", "cells_ecp5.v")}


def _pins(name: str, count: int) -> list[str]:
    return [f"{name}{index}" for index in reversed(range(count))]


def _mult18x18d() -> str:
    """Return a model of the ECP5's multiplier as yosys uses it: without registers."""
    a, b, p = _pins("A", 18), _pins("B", 18), _pins("P", 36)
    registers = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
    parameters = [f'REG_{name}_CLK = "NONE"' for name in registers]
    parameters += ['CLK0_DIV = "ENABLED"', 'GSR = "ENABLED"', 'SOURCEB_MODE = "B_SHIFT"']
    others = ["SIGNEDA", "SIGNEDB", "SOURCEA", "SOURCEB"]
    idle = [f"{kind}{index}" for kind in ("CLK", "CE", "RST") for index in range(4)] + _pins("C", 18)
    return f"""module MULT18X18D #({", ".join(f"parameter {each}" for each in parameters)}) (
  input {", ".join([*a, *b, *others, *idle])}, output {", ".join(p)});
  wire signed [18:0] a = {{SIGNEDA & A17, {", ".join(a)}}};
  wire signed [18:0] b = {{SIGNEDB & B17, {", ".join(b)}}};
  wire signed [37:0] product = a * b;
  assign {{{", ".join(p)}}} = product[35:0];
  if ({" || ".join(f'REG_{name}_CLK != "NONE"' for name in registers)}) $error("registers have no model");
endmodule
"""


def netlist_of(bench: Bench, files: Mapping[str, str], tech: str, folder: Path) -> tuple[Bench, Path]:
    """Synthesise the module of ``bench`` as the flows do.

    Returns
    -------
    Bench
        The same streams, for the netlist; it has the bench's name.
    Path
        The netlist, of gates only.
    """
    names = stage(folder, sorted(RTL_DIR.glob("*.sv")))
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "cells_ecp5.v").write_text(_mult18x18d())
    top = f"net_{bench.name}"
    run_yosys(
        folder,
        [
            read_slang(names, bench.module, bench.params),
            f"{SYNTH[tech]} -top {bench.module}",
            f"rename {bench.module} {top}",
            "tee -q -o cells.json stat -json",
            "write_verilog -noattr mapped.v",
            "design -reset",
            "read_verilog mapped.v",
            *(f"read_verilog {model}" for model in MODELS[tech]),
            f"hierarchy -check -top {top}",
            "proc",
            "memory_collect",
            "flatten",
            "setundef -undriven -zero",
            "opt_clean",
            f"write_verilog -noattr {top}.v",
        ],
    )
    netlist = folder / f"{top}.v"
    text = netlist.read_text()
    assert "$readmem" not in text
    # a vector whose bits follow one another looks like a loop
    quiet = ("UNOPTFLAT", "WIDTH", "CASEOVERLAP", "CASEINCOMPLETE")
    netlist.write_text("".join(f"/* verilator lint_off {each} */\n" for each in quiet) + text)
    return replace(bench, module=top, params={}), netlist
