"""Which files key a stage."""

import pytest
from finnspect import sources
from finnspect.paths import ROOT
from finnspect.sources import module_files, source_hash


def _names(*modules):
    return {path.relative_to(ROOT).as_posix() for path in module_files(*modules)}


def test_a_module_brings_all_that_it_imports_and_its_templates():
    found = _names("finnspect.emit")
    for name in (
        "emit/__init__.py",
        "emit/accelerator.py",
        "folding/check.py",
        "ir/graph.py",
        "errors.py",
        "__init__.py",
    ):
        assert f"build/finnspect/{name}" in found
    assert any(name.startswith("build/finnspect/emit/templates/") for name in found)


def test_other_parts_stay_out():
    found = _names("finnspect.frontend", "finnspect.verify", "finnspect.toolchains.ecp5")
    for name in (
        "cli.py",
        "flow.py",
        "train_flow.py",
        "core_stages.py",
        "build_stages.py",
        "report/model.py",
        "deploy.py",
    ):
        assert f"build/finnspect/{name}" not in found


def test_training_is_keyed_by_the_preprocessing_that_the_board_does():
    assert "hw/driver/finnspect_driver/preprocess.py" in _names("quant_models.train")


def test_a_module_that_is_not_there_is_a_mistake():
    with pytest.raises(ValueError, match=r"finnspect\.nothing"):
        source_hash("finnspect.nothing")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    package = tmp_path / "pkg"
    (package / "sub" / "templates").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def f():\n    from pkg import (\n        b,\n    )\n")
    (package / "b.py").write_text("import os\nfrom pkg.sub.c import thing\nfrom pkg.a import f\n")
    (package / "sub" / "__init__.py").write_text("")
    (package / "sub" / "c.py").write_text("thing = 1\n")
    (package / "sub" / "templates" / "t.j2").write_text("x")
    (package / "other.py").write_text("")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(sources, "PACKAGES", {"pkg": package})
    sources._imports.cache_clear()
    yield tmp_path
    sources._imports.cache_clear()


def test_imports_are_followed_through_functions_and_circles(repository):
    found = {path.relative_to(repository).as_posix() for path in module_files("pkg.a")}
    assert found == {
        "pkg/__init__.py",
        "pkg/a.py",
        "pkg/b.py",
        "pkg/sub/__init__.py",
        "pkg/sub/c.py",
        "pkg/sub/templates/t.j2",
    }


@pytest.mark.parametrize(
    ("file", "changes"),
    [("pkg/sub/c.py", True), ("pkg/sub/templates/t.j2", True), ("pkg/other.py", False), ("rtl/new.sv", True)],
)
def test_the_hash_changes_with_what_is_used(repository, file, changes):
    before = source_hash("pkg.a", "rtl/", "absent/file.sv")
    (repository / file).parent.mkdir(exist_ok=True)
    (repository / file).write_text("thing = 2\n")
    assert (source_hash("pkg.a", "rtl/", "absent/file.sv") != before) is changes


def test_byte_code_is_no_source(repository):
    before = source_hash("pkg/sub")
    (repository / "pkg" / "sub" / "__pycache__").mkdir()
    (repository / "pkg" / "sub" / "__pycache__" / "c.pyc").write_text("x")
    assert source_hash("pkg/sub") == before
