"""The sections of report.json: what a real build writes, against the shipped schema and a golden outline."""

import copy
import json
from pathlib import Path

import finnspect.report
import jsonschema
import pytest
from finnspect.report.model import FORMAT_VERSION

SCHEMA = json.loads((Path(finnspect.report.__file__).parent / "report.schema.json").read_text())
#: Section -> its outline: `{name: outline(part, name) for name, part in document.items()}`.
GOLDEN = json.loads((Path(__file__).parent / "golden_sections.json").read_text())
#: Names that come from the network, the tools or the device: one stands for all.
_NAMED = ("resources", "costs", "cells", "layers", "moves", "tools", "files", "total", "metrics")


def outline(value, name=""):
    """Return the form of a value: keys, units and kinds of figures, types of the rest; no number."""
    if isinstance(value, dict) and {"value", "unit", "kind"} <= set(value):
        return f"{value['kind']}, {value['unit']}"
    if isinstance(value, dict):
        if name in _NAMED:
            forms = sorted({json.dumps(outline(each)) for each in value.values()})
            return {"each": [json.loads(form) for form in forms]}
        return {key: outline(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [json.loads(form) for form in sorted({json.dumps(outline(each)) for each in value})]
    return "null" if value is None else type(value).__name__


@pytest.fixture(scope="module")
def document(small_build):
    return json.loads(small_build.result.report_path.read_text())


def test_a_build_writes_the_golden_sections_and_no_other(document):
    assert list(document) == list(SCHEMA["properties"]) == list(GOLDEN)
    assert set(document) >= set(SCHEMA["required"])


@pytest.mark.parametrize("section", GOLDEN)
def test_a_section_fits_its_schema_and_its_golden_outline(document, section):
    part = {**SCHEMA["properties"][section], "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(part).validate(document[section])
    assert outline(document[section], section) == GOLDEN[section]


def test_the_schema_is_valid_and_says_its_version(document):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:finnspect-report:{FORMAT_VERSION}"
    assert SCHEMA["properties"]["format_version"]["const"] == FORMAT_VERSION == document["format_version"]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("format_version",), 1),
        (("performance", "fps", "kind"), "guessed"),
        (("performance", "fps"), 1017.3),
        (("exactness", "mismatches"), "none"),
        (("layers", 0, "surprise"), 1),
        (("resources", 0, "used", "unit"), None),
    ],
)
def test_what_is_no_report_does_not_fit_the_schema(document, where, value):
    wrong = copy.deepcopy(document)
    at = wrong
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)
