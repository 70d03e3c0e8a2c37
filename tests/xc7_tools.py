"""A small core to build, and installations of stand-in 7-series tools."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

from finnspect.emit import Accelerator

DATA = Path(__file__).parent / "data"
PART = "xc7z020clg400-1"

#: Sums its pixels, times a constant a class.
CORE = """
`default_nettype none
module finnspect_core (
    input wire clk, input wire rst_n,
    input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [31:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready,
    output wire m_axis_tlast
);
  logic [15:0] left_q;
  logic [31:0] sum_q;
  logic [2:0] class_q;
  logic [15:0] scale [8];
  initial $readmemh("mem/scale.mem", scale);
  wire sending = left_q == 16'd0;
  assign s_axis_tready = !sending;
  assign m_axis_tvalid = sending;
  assign m_axis_tdata = sum_q * {16'd0, scale[class_q]};
  assign m_axis_tlast = class_q == 3'd5;
  always_ff @(posedge clk) begin
    if (s_axis_tvalid && !sending) begin
      sum_q  <= sum_q + {24'd0, s_axis_tdata};
      left_q <= left_q - 16'd1;
    end
    if (m_axis_tready && sending) class_q <= class_q + 3'd1;
    if (!rst_n || (m_axis_tready && sending && m_axis_tlast)) begin
      sum_q   <= '0;
      left_q  <= 16'd256;
      class_q <= '0;
    end
  end
endmodule
`default_nettype wire
"""


def small_core(folder: Path) -> Accelerator:
    """Return an accelerator folder with the small core."""
    (folder / "mem").mkdir(parents=True)
    (folder / "finnspect_core.sv").write_text(CORE)
    (folder / "mem" / "scale.mem").write_text("".join(f"{7 * k + 3:04x}\n" for k in range(8)))
    manifest = {
        "sources": ["finnspect_core.sv"],
        "images": ["mem/scale.mem"],
        "input": {"elements": 1, "beats": 256},
        "output": {"classes": 6},
    }
    return Accelerator(folder, manifest)


def program(path: Path, *command: str) -> Path:
    """Write an executable that runs a command with its own arguments behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = " ".join(f"'{word}'" for word in command)
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)
    return path


def install_openxc7(folder: Path, nextpnr: str = "nextpnr-xilinx") -> Path:
    """Put the stand-ins of the open tools into ``folder``, laid out as apio's package is; return it."""
    code = folder / "libexec"
    shutil.copytree(DATA / "openxc7", code)
    for name in (nextpnr, "fasm2frames", "xc7frames2bit"):
        program(folder / "bin" / name, sys.executable, str(code / "tools.py"), name)
    chipdb = "xc7z020.bin" if nextpnr == "nextpnr-xilinx" else "chipdb-xc7z020.bin"
    (folder / "chipdb").mkdir()
    (folder / "chipdb" / chipdb).write_bytes(b"chipdb")
    database = folder / "share" / "nextpnr" / "external" / "prjxray-db" / "zynq7" / PART
    database.mkdir(parents=True)
    (database / "part.yaml").write_text("idcode: 0x3727093\n")
    return folder


def load(path: Path) -> ModuleType:
    """Return a file of stand-ins as a module."""
    spec = importlib.util.spec_from_file_location(f"stand_in_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install_vivado(folder: Path, **config: object) -> Path:
    """Put the stand-in of Vivado into ``folder``; ``config`` sets what it does. Return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {"version": "2022.1", "setup": 0.812, "hold": 0.051, "lut": 5213}
    (folder / "config.json").write_text(json.dumps(defaults | config))
    script = str(DATA / "vivado" / "vivado.py")
    program(folder / "bin" / "vivado", sys.executable, script, str(folder / "config.json"))
    return folder
