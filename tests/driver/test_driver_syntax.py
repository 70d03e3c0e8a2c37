"""What the board's Python can read: 3.8 syntax, and no import that a board does not have."""

import ast
import sys
from pathlib import Path

import finnspect_driver
import pytest

ROOT = Path(finnspect_driver.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
#: The standard library of Python 3.8, but for what 3.11 has lost since.
STANDARD = set(sys.stdlib_module_names) - {"tomllib", "zoneinfo", "graphlib"} | {"__future__"}
LAZY = {"pynq", "serial", "PIL", "finnspect"}
SERVE = {"starlette", "uvicorn", "prometheus_client", "anyio", "PIL"}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node, node.module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_3_8_reads_it(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    assert any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
    ) or not any(isinstance(node, ast.FunctionDef | ast.AnnAssign) for node in ast.walk(tree))
    for node in ast.walk(tree):
        # Newer than 3.8, though its grammar reads them.
        assert not (isinstance(node, ast.Attribute) and node.attr in ("removeprefix", "removesuffix"))
        if isinstance(node, ast.Call):
            strict = {"strict", "slots", "kw_only"} & {keyword.arg for keyword in node.keywords}
            assert not strict, f"line {node.lineno}: {strict}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports(path):
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    allowed = STANDARD | {"numpy", "finnspect_driver"}
    if "serve" in path.relative_to(ROOT).parts[0]:
        allowed = allowed | SERVE
    for node, name in imports(tree):
        assert name in allowed | LAZY, f"{path.name} imports {name}"
        assert not (id(node) in top and name in LAZY - SERVE), f"{path.name} imports {name} at once"


def test_there_is_something_to_check():
    assert {"classifier.py", "deployzip.py", "reference.py", "uart.py"} <= {path.name for path in FILES}
