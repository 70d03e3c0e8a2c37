"""Stand-in for FINN's builder: says what it does as FINN does, and leaves what FINN leaves.

``FINN_STANDIN`` holds a JSON object: ``fail`` (step that fails), ``bit`` (file to give out as bit file),
``timing`` (a report), ``drop`` (result left out), ``shapes`` (changes to the driver's settings).
"""

import json
import os
import shutil
from pathlib import Path

HWH = """<EDKSYSTEM><MODULES><MODULE INSTANCE="zynq_ps"><MEMORYMAP>
<MEMRANGE BASEVALUE="0x40000000" HIGHVALUE="0x4000FFFF" INSTANCE="idma0" MEMTYPE="REGISTER"/>
<MEMRANGE BASEVALUE="0x40010000" HIGHVALUE="0x4001FFFF" INSTANCE="odma0" MEMTYPE="REGISTER"/>
</MEMORYMAP></MODULE></MODULES></EDKSYSTEM>
"""


def settings(handoff, changes):
    shapes = {"num_inputs": 1, "num_outputs": 1}
    for letter, end in (("i", handoff["input"]), ("o", handoff["output"])):
        shapes[f"{letter}dt"] = [f"DataType['{end['datatype']}']"]
        shapes[f"{letter}dma_names"] = [f"{letter}dma0"]
        for kind in ("normal", "folded", "packed"):
            shapes[f"{letter}shape_{kind}"] = [end[kind]]
    return {"driver_information": {"io_shape_dict": shapes | changes}}


def build_dataflow_cfg(model, config):
    mode = json.loads(os.environ["FINN_STANDIN"])
    assert Path(model).is_file()
    output = Path(config.output_dir)
    for folder in ("report", "deploy/bitfile", "deploy/driver"):
        (output / folder).mkdir(parents=True)
    log = ["[2026-11-23 18:00:00]INFO:started"]
    for number, step in enumerate(config.steps, 1):
        print(f"[2026-11-23 18:00:0{number % 10}] Running step: {step} [{number}/{len(config.steps)}]")
        if step == mode.get("fail"):
            log.append("[2026-11-23 18:01:00]ERROR:Synthesis failed. Listing errors from Vivado's logfile:")
            log.append("[2026-11-23 18:01:00]ERROR:ERROR: [Place 30-640] Place Check : over-utilized")
            (output / "build_dataflow.log").write_text("\n".join(log))
            return -1
    handoff = json.loads((Path(model).parent / "handoff.json").read_text())
    shutil.copyfile(mode["bit"], output / "deploy/bitfile/finn-accel.bit")
    (output / "deploy/bitfile/finn-accel.hwh").write_text(mode.get("hwh", HWH))
    top = {"LUT": 15321, "SRL": 1201, "FF": 17002, "BRAM_36K": 11, "BRAM_18K": 5, "DSP": 1}
    documents = {
        "deploy/driver/settings.json": settings(handoff, mode.get("shapes", {})),
        "report/post_synth_resources.json": {"(top)": top},
        "report/metadata_builder.json": {"status": "ok", "tool_version": "2023.2"},
    }
    for name, document in documents.items():
        (output / name).write_text(json.dumps(document))
    shutil.copyfile(mode["timing"], output / "report/post_route_timing.rpt")
    if "drop" in mode:
        (output / mode["drop"]).unlink()
    return 0
