"""The handoff file that finnspect writes, read by both of PYNQ's parsers, the older and the newer."""

from pathlib import Path

import pytest
from pynq.pl_server.hwh_parser import _HWHZynq
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

HWH = Path(__file__).parents[1] / "data" / "pynq-z2.hwh"


@pytest.fixture(scope="module", params=["new", "old"])
def parsed(request):
    if request.param == "old":
        return _HWHZynq(hwh_name=str(HWH))
    return RuntimeMetadataParser(Metadata(input=str(HWH)))


def test_the_accelerator_is_where_it_is(parsed):
    accelerator = parsed.ip_dict["finnspect_0"]
    assert accelerator["phys_addr"] == 0x43C00000
    assert accelerator["addr_range"] == 0x10000
    assert accelerator["type"] == "finnspect:ip:fs_axi_accelerator:1.0"


def test_the_processor_and_its_clocks(parsed):
    assert parsed.ps_name == "ps7"
    assert parsed.ip_dict["ps7"]["parameters"]["PCW_S_AXI_HP0_DATA_WIDTH"] == "64"
    assert [parsed.clock_dict[i]["enable"] for i in range(4)] == [1, 0, 0, 0]
    dividers = parsed.clock_dict[0]["divisor0"], parsed.clock_dict[0]["divisor1"]
    assert 1000 / (dividers[0] * dividers[1]) == 100
