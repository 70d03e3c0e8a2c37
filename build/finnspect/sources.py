"""Which source files decide a stage: the modules it runs and all of the repository that they import.

Found by reading import statements, not by importing, so that it is quick and nothing heavy is loaded.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from finnspect.paths import ROOT
from finnspect.stages import hash_files

#: Top-level packages of the repository.
PACKAGES = {
    "finnspect": ROOT / "build" / "finnspect",
    "quant_models": ROOT / "quant_models",
    "finnspect_driver": ROOT / "hw" / "driver" / "finnspect_driver",
}
#: Folder beside a module whose files the module reads.
_TEMPLATES = "templates"


def module_file(name: str) -> Path | None:
    """Return the file of a module of the repository, None for a name that is no such module."""
    top, *rest = name.split(".")
    if top not in PACKAGES:
        return None
    path = PACKAGES[top].joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


#: ``from a.b import c, d`` (with or without parentheses) and ``import a.b``, wherever in a file.
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|.*)|import[ \t]+(.*))$", re.MULTILINE
)
_NAME = re.compile(rb"[\w.]+")


@cache
def _imports(path: Path) -> frozenset[str]:
    """Return every name that a file may import a module by; those of functions' bodies count too.

    Names in comments or strings that look like an import only make the hash more careful.
    """
    names: set[str] = set()
    for module, members, plain in _IMPORT.findall(path.read_bytes()):
        if plain:
            names.update(name.decode() for name in _NAME.findall(plain))
        else:
            parent = module.decode()
            names.add(parent)
            names.update(f"{parent}.{member.decode()}" for member in _NAME.findall(members))
    return frozenset(names)


def module_files(*modules: str) -> set[Path]:
    """Return the files of modules, of their parents, of all they import; templates and data beside them.

    Raises
    ------
    ValueError
        A name in ``modules`` is no module of the repository.
    """
    for name in modules:
        if module_file(name) is None:
            raise ValueError(f"{name} is no module of this repository")
    files: set[Path] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = module_file(name)
        if path is None or path in files:
            continue
        files.add(path)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        waiting.extend(_imports(path))
    for folder in {path.parent for path in files}:
        files.update(file for file in (folder / _TEMPLATES).rglob("*") if file.is_file())
        files.update(folder.glob("*.json"))
    return files


def source_hash(*sources: str) -> str:
    """Return one SHA-256 over source files of the repository.

    Parameters
    ----------
    sources
        Modules (``finnspect.emit``), each with all that it imports; or files and folders relative to the
        root of the checkout, which have a slash in their names. A file that is not there counts as
        absent, and as changed once it appears.
    """
    paths = [source for source in sources if "/" in source]
    files = module_files(*(source for source in sources if "/" not in source))
    for source in paths:
        path = ROOT / source
        found = [path] if path.is_file() else path.rglob("*")
        files.update(file for file in found if file.is_file() and "__pycache__" not in file.parts)
    return hash_files(ROOT, files)
