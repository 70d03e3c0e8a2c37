"""Formal proofs of the handshake modules: no beat lost, doubled, reordered or changed; no deadlock.

Each proof also has mutants: the module with one fault in it, which the proof must refuse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from finnspect.emit.accelerator import library_closure
from finnspect.errors import ToolError
from finnspect.paths import FORMAL_DIR, RTL_DIR
from finnspect.toolchains.sby import prove, sby_command, sby_file

COMMON = [FORMAL_DIR / f"{name}.sv" for name in ("fv_queue", "fv_reset", "fv_output", "fv_input")]


@dataclass(frozen=True)
class Proof:
    """A harness, the module it proves, and faults that it must see: (file, text, what it becomes)."""

    top: str
    module: str
    params: dict[str, int | str] = field(default_factory=dict)
    mutants: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.top, *(f"{k}{v}" for k, v in self.params.items())])


PROOFS = (
    Proof(
        "fv_skid",
        "fs_skid",
        mutants=(
            ("fs_skid", "out_valid_q <= s_axis_tvalid || !ready_q;", "out_valid_q <= s_axis_tvalid;"),
            ("fs_skid", "ready_q ? s_axis_tdata : skid_q", "s_axis_tdata"),
            ("fs_skid", "m_axis_tready || !out_valid_q", "m_axis_tready"),
            ("fs_skid", "m_axis_tready || !out_valid_q", "1'b1"),
        ),
    ),
    Proof(
        "fv_fifo",
        "fs_fifo",
        {"DEPTH": 3},
        mutants=(
            ("fs_fifo", "count_q != COUNT_BITS'(DEPTH - 1)", "1'b1"),
            ("fs_fifo", "count_q != COUNT_BITS'(1)", "1'b1"),
            ("fs_fifo", "localparam bit WRAPS = (DEPTH & (DEPTH - 1)) != 0", "localparam bit WRAPS = 0"),
            ("fs_fifo", "count_q != COUNT_BITS'(DEPTH - 1)", "count_q < COUNT_BITS'(DEPTH - 2)"),
        ),
    ),
    Proof("fv_fifo", "fs_fifo", {"DEPTH": 4}),
    Proof(
        "fv_fifo",
        "fs_fifo",
        {"DEPTH": 4, "RAM_STYLE": "block"},
        mutants=(("fs_ram", "out_free || !word_valid_q", "1'b1"),),
    ),
    Proof(
        "fv_fork",
        "fs_fork",
        mutants=(
            ("fs_fork", "all_taken ? '0 : taken", "taken"),
            ("fs_fork", "{N{valid}} & ~taken_q", "{N{valid}}"),
            ("fs_fork", "wire all_taken = &taken", "wire all_taken = |taken"),
        ),
    ),
    Proof("fv_fork", "fs_fork", {"N": 3}),
    Proof(
        "fv_add",
        "fs_add",
        {"MUL_A": -3, "MUL_B": 5, "ACC_BITS": 7},
        mutants=(
            ("fs_add", "{2{both && move}}", "{2{move}}"),
            ("fs_add", "if (move) acc_q", "if (both) acc_q"),
            ("fs_add", "MUL_A < 0 ? LESS_A : MORE_A", "MORE_A"),
        ),
    ),
    Proof("fv_add", "fs_add"),
    Proof(
        "fv_concat",
        "fs_concat",
        mutants=(
            ("fs_concat", "turn_q & {N{ready}}", "{N{ready}}"),
            ("fs_concat", "left_q <= folds - 16'd1", "left_q <= folds"),
        ),
    ),
    Proof("fv_concat", "fs_concat", {"FOLDS_A": 3, "FOLDS_B": 1}),
    Proof(
        "fv_dwc",
        "fs_dwc",
        mutants=(
            ("fs_dwc", "left_q != '0 || !out_valid_q", "1'b1"),
            ("fs_dwc", "left_q == '0 ? COUNT_BITS'(RATIO - 1) : left_q - 1'b1", "left_q - 1'b1"),
            ("fs_dwc", "{s_axis_tdata, part_q}", "{part_q, s_axis_tdata}"),
        ),
    ),
    Proof(
        "fv_dwc",
        "fs_dwc",
        {"NARROW": 1},
        mutants=(
            ("fs_dwc", "pick_q <= PICK_BITS'(out_free)", "pick_q <= '0"),
            ("fs_dwc", "s_axis_tvalid || !empty;", "!empty;"),
            ("fs_dwc", "else if (!empty && out_free) pick_q", "else if (!empty) pick_q"),
        ),
    ),
    Proof("fv_dwc", "fs_dwc", {"NARROW": 1, "RATIO": 2}),
    Proof("fv_dwc", "fs_dwc", {"RATIO": 2, "WIDTH": 2}),
)


def _sources(proof: Proof):
    return [*COMMON, FORMAL_DIR / f"{proof.top}.sv", *library_closure({proof.module})]


@pytest.mark.parametrize("proof", PROOFS, ids=str)
def test_proven(proof, tmp_path):
    assert "successful proof by k-induction" in prove(tmp_path, proof.top, _sources(proof), proof.params)


@pytest.mark.parametrize("proof", [each for each in PROOFS if each.mutants], ids=str)
def test_faults_are_seen(proof, tmp_path):
    for number, (name, text, fault) in enumerate(proof.mutants):
        folder = tmp_path / str(number)
        folder.mkdir()
        original = (RTL_DIR / f"{name}.sv").read_text()
        assert original.count(text) >= 1, f"{name} has no {text!r} any more"
        mutant = folder / f"{name}.sv"
        mutant.write_text(original.replace(text, fault))
        files = [mutant if path.stem == name else path for path in _sources(proof)]
        with pytest.raises(ToolError, match=f"the proof of {proof.top} fails"):
            prove(folder, proof.top, files, proof.params)


def test_every_harness_is_used():
    harnesses = {path.stem for path in FORMAL_DIR.glob("fv_*.sv")} - {path.stem for path in COMMON}
    assert harnesses == {proof.top for proof in PROOFS}


def test_commands_are_data():
    assert sby_file("top", ["a.sv", "b.sv"], {"N": 3}, depth=7).splitlines() == [
        "[options]",
        "mode prove",
        "depth 7",
        "[engines]",
        "smtbmc z3",
        "[script]",
        "read_slang -j 1 --top top -GN=3 a.sv b.sv",
        "prep -top top",
        "[files]",
        "a.sv",
        "b.sv",
    ]
    command = sby_command("top")
    assert command[0].endswith("/yowasp-sby") and command[-1] == "top.sby"


def test_a_source_that_does_not_parse_says_where(tmp_path):
    bad = tmp_path / "bad.sv"
    bad.write_text("module bad(input wire a)\nendmodule\n")
    with pytest.raises(ToolError, match="bad"):
        prove(tmp_path / "run", "bad", [bad])
