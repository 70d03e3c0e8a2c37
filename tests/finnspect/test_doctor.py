"""What `finnspect doctor` finds, and what it says of what it does not."""

import json

import pytest
from finnspect import doctor
from finnspect.cli import run
from finnspect.doctor import Check, healthy, run_checks


def _by_name(checks):
    return {check.name: check for check in checks}


def test_this_environment_is_healthy_and_every_version_is_said(capsys):
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] and document["cpu_cores"] >= 1
    found = {check["name"]: check for check in document["checks"]}
    for name in ("python", "g++", "make", "torch", "brevitas", "qonnx", "finn-plus", "verilator"):
        assert found[name]["ok"] and found[name]["version"][0].isdigit(), name
    for check in document["checks"]:
        assert check["needed_for"] and check["remedy"], check["name"]


def test_what_is_missing_is_said_with_its_use_and_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "NO  g++" in text and "apt-get install g++" in text and "simulation" in text
    assert "Not ready: " in text


def test_a_tool_that_does_not_run_is_a_problem(monkeypatch, tmp_path):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = _by_name(run_checks())["g++"]
    assert not check.ok and "fails" in check.problem


def test_a_missing_package_is_a_problem(monkeypatch):
    real = doctor.distribution_version
    monkeypatch.setattr(doctor, "distribution_version", lambda name: None if name == "qonnx" else real(name))
    checks = run_checks()
    assert not healthy(checks)
    assert "make bootstrap" in _by_name(checks)["qonnx"].remedy


def test_a_package_of_another_version_than_the_pinned_one_is_a_problem(monkeypatch):
    real = doctor.distribution_version
    monkeypatch.setattr(
        doctor, "distribution_version", lambda name: "0.9" if name == "brevitas" else real(name)
    )
    check = _by_name(run_checks())["brevitas"]
    assert not check.ok and "==0.13.0" in check.problem


@pytest.mark.parametrize(("group", "expected"), [("system", False), ("package", False), ("optional", True)])
def test_only_optional_things_may_be_missing(group, expected):
    assert healthy([Check("x", group, None, None, "something", "get it")]) is expected
