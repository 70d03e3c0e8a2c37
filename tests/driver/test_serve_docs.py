"""``docs/service.md`` names what there is."""

from __future__ import annotations

import argparse
import re

from finnspect.paths import ROOT
from finnspect_driver.backends.base import Counters
from finnspect_driver.serve import command
from finnspect_driver.serve.metrics import Metrics
from finnspect_driver.serve.settings import Settings

TEXT = (ROOT / "docs" / "service.md").read_text()


def test_every_metric_and_no_other():
    metrics = Metrics({}, ["a"])
    metrics.hardware.update(Counters(1, 2, 3, 4))
    families = re.findall(r"^# TYPE (\w+) \w+$", metrics.text().decode(), re.MULTILINE)
    made = {re.sub("_created$", "", name) for name in families if not name.endswith("_created")}
    hardware = {name for name in made if name.startswith("finnspect_hardware_")}
    told = {re.sub(r"\{.*", "", name) for name in re.findall(r"`(finnspect_\w+)", TEXT)}
    assert {name.removesuffix("_total") for name in told - hardware} <= {
        name.removesuffix("_total") for name in made
    }
    assert {name.removesuffix("_total") for name in made - hardware} <= {
        name.removesuffix("_total") for name in told
    }
    for name in hardware:
        assert name in told or f"..._{name.removeprefix('finnspect_hardware_')}" in TEXT


def test_every_option():
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    told = set(re.findall(r"--[a-z][a-z-]+", TEXT)) - {"--data-binary", "--device"}
    assert told <= options
    assert options - told <= {"--port"}


def test_every_limit():
    limits = Settings()
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|(,]+?)[ ]*[|(,]", TEXT, re.MULTILINE))
    assert rows["images that wait"] == str(limits.queue_images)
    assert rows["images in a request"] == str(limits.request_images)
    assert rows["body"] == f"{limits.body_bytes >> 20} MiB"
    assert rows["all bodies at a time"] == f"{limits.bodies_bytes >> 20} MiB"
    assert rows["pixels of a picture"] == f"{limits.picture_pixels >> 20} x 2^20"
    assert rows["connections"] == str(limits.connections)
    assert rows["a request's head"] == f"{limits.head_s:g} s"
    assert rows["a request's body"] == f"{limits.body_s:g} s"
    assert rows["an answer that is not read"] == f"{limits.write_s:g} s"
    assert rows["the accelerator's answer"] == f"{limits.request_s:g} s"
