"""What the RTL library keeps away from, found in the syntax tree that slang makes (docs/rtl.md has the list).

Vivado and nextpnr-xilinx cannot be run by the tests: constructs that their documentation does not
list as supported, or that are known to be treated differently there, stay out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyslang import parsing, syntax

Kind = syntax.SyntaxKind

GENERATES = {Kind.GenerateBlock, Kind.LoopGenerate, Kind.IfGenerate, Kind.CaseGenerate}
PROCEDURES = {Kind.FunctionDeclaration, Kind.TaskDeclaration, Kind.SequentialBlockStatement}
ALLOWED_CALLS = {"$clog2", "$signed", "$unsigned", "$bits", "$readmemh", "$error"}
PRIMITIVES = (
    "RAMB",
    "DSP48",
    "DP16KD",
    "MULT18X18",
    "EHXPLL",
    "BUFG",
    "SRL",
    "LUT",
    "CARRY4",
    "FDRE",
    "RAM32",
    "RAM64",
)


@dataclass(frozen=True)
class Finding:
    """A rule broken at a line."""

    rule: str
    line: int
    text: str


def _below(node: Any, kinds: set) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.kind in kinds:
            return True
        parent = parent.parent
    return False


def _text(node: Any) -> str:
    return " ".join(str(node).split())[:60]


def _is_unpacked_port(node: Any) -> bool:
    return node.kind == Kind.ImplicitAnsiPort and len(node.declarator.dimensions) > 0


def _is_initialised(node: Any) -> bool:
    return (
        node.kind == Kind.DataDeclaration
        and any(each.initializer is not None for each in node.declarators if each.kind == Kind.Declarator)
        and not _below(node, PROCEDURES)
    )


def _is_initial_logic(node: Any) -> bool:
    return node.kind == Kind.InitialBlock and "$readmemh" not in str(node)


def _is_hierarchical(node: Any) -> bool:
    """Instances are called u_*; other dots are members of structures, or generate blocks of this module."""
    dotted = node.kind == Kind.ScopedName and node.separator.kind == parsing.TokenKind.Dot
    return dotted and any(part.startswith("u_") for part in _text(node).split("."))


def _is_other_clock(node: Any) -> bool:
    return node.kind == Kind.SignalEventExpression and _text(node) != "posedge clk"


def _is_primitive(node: Any) -> bool:
    return node.kind == Kind.HierarchyInstantiation and _text(node.type).upper().startswith(PRIMITIVES)


def _is_other_call(node: Any) -> bool:
    return node.kind == Kind.SystemName and _text(node) not in ALLOWED_CALLS


def _of(*kinds: Any) -> Callable[[Any], bool]:
    return lambda node: node.kind in kinds


#: name in docs/rtl.md -> whether a node of the tree is one
RULES: dict[str, Callable[[Any], bool]] = {
    "interface": _of(Kind.InterfaceDeclaration, Kind.ModportDeclaration, Kind.InterfacePortHeader),
    "class": _of(Kind.ClassDeclaration, Kind.ClassName),
    "queue": _of(Kind.QueueDimensionSpecifier, Kind.WildcardDimensionSpecifier),
    "union": _of(Kind.UnionType),
    "unpacked port": _is_unpacked_port,
    "function in a generate block": lambda node: (
        node.kind in (Kind.FunctionDeclaration, Kind.TaskDeclaration) and _below(node, GENERATES)
    ),
    "delay": _of(Kind.DelayControl, Kind.CycleDelay, Kind.WaitStatement, Kind.WaitForkStatement),
    "parallel block": _of(Kind.ParallelBlockStatement),
    "initial value": _is_initialised,
    "initial block": _is_initial_logic,
    "hierarchical name": _is_hierarchical,
    "second clock or asynchronous reset": _is_other_clock,
    "vendor primitive": _is_primitive,
    "system call": _is_other_call,
    "latch": _of(Kind.AlwaysLatchBlock, Kind.AlwaysBlock),
    "tri-state": lambda node: node.kind == Kind.IntegerVectorExpression and "z" in _text(node).lower(),
    "don't care": _of(Kind.WildcardEqualityExpression, Kind.WildcardInequalityExpression),
    "bind": _of(Kind.BindDirective),
}


def findings(text: str) -> Iterator[Finding]:
    """Yield every rule that a source breaks."""
    tree = syntax.SyntaxTree.fromText(text)
    found: list[Finding] = []

    def visit(node: Any) -> None:
        if isinstance(node, syntax.SyntaxNode):
            for rule, is_one in RULES.items():
                if is_one(node):
                    line = tree.sourceManager.getLineNumber(node.sourceRange.start)
                    found.append(Finding(rule, line, _text(node)))

    tree.root.visit(visit)
    yield from found


def rules_in(page: Path) -> set[str]:
    """Return the names of the rules that a documentation page lists: first cells of its table, in bold."""
    lines = page.read_text().splitlines()
    return {line.split("**")[1] for line in lines if line.startswith("| **")}
