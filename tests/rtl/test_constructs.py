"""The RTL library keeps to the list of docs/rtl.md, and the checks of that list find what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest
from constructs import RULES, findings, rules_in
from finnspect.paths import ROOT, RTL_DIR, SHELL_DIR

FILES = sorted([*RTL_DIR.glob("*.sv"), *SHELL_DIR.glob("*.sv")])

BAD = {
    "interface": "interface i; endinterface",
    "class": "module m; class c; endclass endmodule",
    "queue": "module m; logic q [$]; endmodule",
    "union": "module m; union packed {logic a; logic b;} u; endmodule",
    "unpacked port": "module m(input wire a [2]); endmodule",
    "function in a generate block": (
        "module m; if (1) begin : g_a function automatic int f(); f = 1; endfunction end endmodule"
    ),
    "delay": "module m; always_comb #3 a = b; endmodule",
    "parallel block": "module m; always_comb fork a = b; join endmodule",
    "initial value": "module m; logic a_q = 1'b0; endmodule",
    "initial block": "module m; initial a_q = 1; endmodule",
    "hierarchical name": "module m; assign a = u_b.c_q; endmodule",
    "second clock or asynchronous reset": (
        "module m; always_ff @(posedge clk or negedge rst_n) a <= b; endmodule"
    ),
    "vendor primitive": "module m; DSP48E1 u_dsp (.A(a)); endmodule",
    "system call": "module m; localparam int N = $size(a); endmodule",
    "latch": "module m; always_latch if (e) a = b; endmodule",
    "tri-state": "module m; assign a = e ? b : 1'bz; endmodule",
    "don't care": "module m; assign a = b ==? c; endmodule",
    "bind": "bind m n u_n();",
}

GOOD = """
module m #(parameter int unsigned N = 2, localparam int unsigned B = $clog2(N)) (
  input wire clk, input wire [N-1:0][3:0] x, output wire y);
  function automatic int f(input int a); int b; b = 2; f = a + b; endfunction
  logic [3:0] mem[N];
  logic [3:0] a_q;
  wire [3:0] b = a_q;
  initial $readmemh("x.mem", mem);
  if (N < 1) begin : g_bad $error("N"); end
  for (genvar i = 0; i < N; i++) begin : g_i
    always_ff @(posedge clk) begin if (x[i] == '0) a_q <= mem[i]; end
  end
endmodule
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_construct_to_avoid(path: Path):
    found = [f"{path.name}:{each.line}: {each.rule}: {each.text}" for each in findings(path.read_text())]
    assert not found, "docs/rtl.md says what to write instead:\n" + "\n".join(found)


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_seen(rule):
    assert rule in {each.rule for each in findings(BAD[rule])}


def test_good_rtl_breaks_no_rule():
    assert list(findings(GOOD)) == []


def test_the_documentation_lists_the_rules():
    assert rules_in(ROOT / "docs" / "rtl.md") == set(RULES)
