"""What the host writes the driver reads; the wheel inside installs and holds the driver."""

import io
import zipfile

import pytest
from driver_fakes import AxiDevice, accelerator_json, zip_contents
from finnspect.deploy import AcceleratorInfo, read_deploy, write_deploy
from finnspect.driver_wheel import driver_wheel
from finnspect.errors import PackageError
from finnspect_driver import DefectClassifier
from finnspect_driver import deployzip as driver_side
from finnspect_driver import registers as regs
from pydantic import ValidationError

FINN = {
    "idma_address": 0x40000000,
    "odma_address": 0x40010000,
    "fclk_mhz": 100.0,
    "output_bits": 16,
    "output_signed": True,
    "output_pe": 1,
}
NONE = {"uart": None, "axi": None, "finn": None}


def host_zip(folder, **changes):
    info = AcceleratorInfo.model_validate(accelerator_json(**changes))
    made = ("accelerator.json", "classes.json")
    return write_deploy(folder / "host.zip", info, {k: v for k, v in zip_contents().items() if k not in made})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shell": "uart"},
        {"shell": "finn-iodma", "finn": FINN},
        {"reject": {"rule": "score-below", "threshold": 0.75}},
    ],
)
def test_the_driver_reads_what_the_host_writes(tmp_path, changes):
    path = host_zip(tmp_path, **changes)
    info, contents = read_deploy(path)
    deploy = driver_side.read_deploy(path)
    assert deploy.contents == contents
    assert deploy.accelerator == info.model_dump(mode="json")
    assert deploy.input_shape == info.input.shape


def test_the_reject_threshold_reaches_the_predictions(tmp_path):
    path = host_zip(tmp_path, reject={"rule": "score-below", "threshold": 1.0})
    with DefectClassifier(path, device=AxiDevice(), batch=4) as classifier:
        predictions = classifier.predict(classifier.deploy.golden().images)
    assert {p.name for p in predictions if p.score < 1.0} == {"unknown"}
    assert any(p.score < 1.0 for p in predictions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shell": "finnspect-axi", **NONE}, "the sections are those of"),
        ({"shell": "finn-iodma", **NONE, "axi": {"base_address": 0, "fclk_mhz": 1}}, "the sections are"),
        ({"reject": {"rule": "score-below"}}, "threshold belongs to the rule"),
        ({"reject": {"rule": "none", "threshold": 0.5}}, "threshold belongs to the rule"),
        ({"reject": {"rule": "score-below", "threshold": 1.5}}, "less than or equal to 1"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        AcceleratorInfo.model_validate(accelerator_json(**changes))


def test_both_readers_refuse_the_same_damage(tmp_path):
    data = bytearray(host_zip(tmp_path).read_bytes())
    data[len(data) // 2] ^= 4
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with pytest.raises(PackageError):
        read_deploy(path)
    with pytest.raises(driver_side.DeployError):
        driver_side.read_deploy(path)


def test_the_wheel_holds_the_driver_and_is_the_same_twice():
    name, data = driver_wheel()
    assert name == "finnspect_driver-0.1.0-py3-none-any.whl"
    assert driver_wheel() == (name, data)
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read("finnspect_driver-0.1.0.dist-info/METADATA").decode()
        scripts = wheel.read("finnspect_driver-0.1.0.dist-info/entry_points.txt").decode()
    modules = ("classifier", "registers", "reference", "backends/finnspect_axi", "devices/pynq")
    assert {f"finnspect_driver/{module}.py" for module in modules} <= names
    assert not any(part.startswith("finnspect/") for part in names)
    required = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and ";" not in line
    ]
    assert required == ["Requires-Dist: numpy>=1.17"]
    assert "Requires-Python: >=3.8" in metadata
    assert "finnspect-board = finnspect_driver.cli:main" in scripts
    assert regs.INTERFACE_VERSION_VALUE == 1
