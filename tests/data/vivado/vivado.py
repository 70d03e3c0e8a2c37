"""A stand-in for Vivado: runs a batch script strictly, and writes reports as the real one lays them out.

Run as ``vivado.py CONFIG ARGUMENTS...``. CONFIG is a JSON file: ``version``; ``setup``, ``hold``, ``pulse``
(slack in ns); ``lut`` (how many are used), ``fail`` (a command -> the error it ends with), ``unclocked``.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from tcl import Tcl, TclError  # noqa: E402

PART = "xc7z020clg400-1"
#: Command -> options with an argument, flags, and how many positional arguments it takes.
COMMANDS = {
    "set_param": ((), (), 2),
    "set_msg_config": (("-id", "-new_severity"), (), 0),
    "read_verilog": ((), ("-sv",), 1),
    "read_xdc": (("-mode",), (), 1),
    "synth_design": (("-top", "-part", "-mode", "-flatten_hierarchy"), (), 0),
    "opt_design": ((), (), 0),
    "place_design": (("-directive",), (), 0),
    "phys_opt_design": ((), (), 0),
    "route_design": (("-directive",), (), 0),
    "write_checkpoint": ((), ("-force",), 1),
    "report_timing_summary": (
        ("-delay_type", "-max_paths", "-file"),
        ("-report_unconstrained",),
        0,
    ),
    "report_utilization": (("-file",), ("-hierarchical",), 0),
    "report_route_status": (("-file",), (), 0),
    "report_drc": (("-file",), (), 0),
    "report_power": (("-file",), (), 0),
    "get_timing_paths": (("-delay_type", "-max_paths"), (), 0),
    "get_property": ((), (), 2),
    "write_bitstream": ((), ("-force",), 1),
    "puts": ((), (), 1),
    "exit": ((), (), 1),
}
CONSTRAINTS = {
    "create_clock": (("-name", "-period"), (), 1),
    "set_false_path": (("-through",), (), 0),
    "set_property": ((), (), 3),
    "get_pins": ((), (), 1),
    "get_ports": ((), (), 1),
    "get_cells": ((), (), 1),
}
VALUES = {
    "-mode": {"out_of_context"},
    "-flatten_hierarchy": {"rebuilt", "full", "none"},
    "-delay_type": {"max", "min", "min_max"},
    "-new_severity": {"ERROR", "WARNING", "INFO"},
    "-directive": {"Default", "Explore", "AltSpreadLogic_high", "ExtraNetDelay_high"},
}
PLACE_ONLY = {"AltSpreadLogic_high", "ExtraNetDelay_high"}
#: What must have been done before.
AFTER = {
    "synth_design": "read_verilog",
    "opt_design": "synth_design",
    "place_design": "opt_design",
    "phys_opt_design": "place_design",
    "route_design": "place_design",
    "report_timing_summary": "synth_design",
    "report_utilization": "synth_design",
    "report_route_status": "route_design",
    "report_power": "synth_design",
    "report_drc": "synth_design",
    "get_timing_paths": "synth_design",
    "write_checkpoint": "synth_design",
    "write_bitstream": "route_design",
}


class ExitError(Exception):
    """The script's own ``exit``."""


class Session:
    """What a run has read and done."""

    def __init__(self, config, log):
        self.config = config
        self.log = log
        self.done = set()
        self.sources = {}
        self.clocks = {}
        self.ooc = False
        self.top = None
        self.xdc = []
        self.held = False

    def say(self, text):
        print(text)
        self.log.write(text + "\n")

    def error(self, code, text):
        raise TclError(f"ERROR: [{code}] {text}")

    def bind(self, table):
        return {name: self.command(name, *table[name]) for name in table}

    def command(self, name, valued, flags, count):
        def run(*words):
            options, positional, rest = {}, [], list(words)
            while rest:
                word = rest.pop(0)
                if word in valued and rest:
                    options[word] = rest.pop(0)
                elif word in flags:
                    options[word] = True
                elif word.startswith("-") and not re.match(r"-?\d", word):
                    self.error("Common 17-170", f"Unknown option '{word}', please type '{name} -help'.")
                else:
                    positional.append(word)
            if len(positional) != count:
                self.error("Common 17-163", f"'{name}' expects {count} arguments, got {len(positional)}.")
            for option, allowed in VALUES.items():
                if option in options and options[option] not in allowed:
                    self.error(
                        "Common 17-69", f"Command failed: '{options[option]}' is no {option} of {name}."
                    )
            if AFTER.get(name, name) not in self.done | {name}:
                self.error("Common 17-53", "User Exception: No open design. Please open a design first.")
            if name in self.config.get("fail", {}):
                raise TclError(self.config["fail"][name])
            result = getattr(self, name, lambda *args, **kw: "")(options, *positional)
            self.done.add(name)
            return result or ""

        return run

    # -- reading -----------------------------------------------------------------------------------

    def puts(self, options, text):
        self.say(text)

    def exit(self, options, code):
        raise ExitError(int(code))

    def set_param(self, options, name, value):
        if name != "general.maxThreads":
            self.error("Common 17-54", f"Parameter '{name}' does not exist.")
        if not 1 <= int(value) <= 8:
            self.error("Common 17-69", f"Command failed: value {value} of {name} is out of range.")

    def read_verilog(self, options, names):
        for name in names.split():
            if not Path(name).is_file():
                self.error("Vivado 12-172", f"File or Directory '{name}' does not exist")
            if name.endswith(".sv") and "-sv" not in options:
                self.error("Synth 8-2715", f"syntax error near logic [{name}:1]")
            self.sources[name] = re.sub(r"//.*|/\*.*?\*/", "", Path(name).read_text())

    def read_xdc(self, options, name):
        if not Path(name).is_file():
            self.error("Vivado 12-172", f"File or Directory '{name}' does not exist")
        self.xdc.append(name)

    # -- constraints -------------------------------------------------------------------------------

    def get_pins(self, options, name):
        cell, pin = name.rsplit("/", 1)
        if not self.processor(cell) or pin not in ("FCLKCLK[0]", "FCLKRESETN[0]"):
            self.error("Vivado 12-508", f"No pins matched '{name}'.")
        return name

    def processor(self, cell):
        return re.search(rf"\bPS7\s+{cell}\s*\(", "\n".join(self.sources.values()))

    def get_cells(self, options, name):
        if not self.processor(name):
            self.error("Vivado 12-180", f"No cells matched '{name}'.")
        self.held = True
        return name

    def get_ports(self, options, name):
        if not self.ooc or name != "clk":
            self.error("Vivado 12-584", f"No ports matched '{name}'.")
        return name

    def create_clock(self, options, target):
        if not target or float(options["-period"]) <= 0:
            self.error("Common 17-161", "Invalid option value specified for '-period'.")
        self.clocks[options["-name"]] = float(options["-period"])

    def set_property(self, options, name, value, target):
        if (name, value) not in (("HD.CLK_SRC", "BUFGCTRL_X0Y0"), ("DONT_TOUCH", "true")) or not target:
            self.error("Common 17-142", f"Unknown object property '{name}'.")

    # -- implementation ----------------------------------------------------------------------------

    def synth_design(self, options):
        if options.get("-part") != PART:
            self.error("Common 17-69", f"Command failed: Part '{options.get('-part')}' not found")
        self.ooc, self.top = "-mode" in options, options["-top"]
        text = "\n".join(self.sources.values())
        modules = set(re.findall(r"^\s*module\s+(\w+)", text, re.MULTILINE))
        if self.top not in modules:
            self.error("Synth 8-439", f"module '{self.top}' not found")
        hidden = modules & {"PS7", "BUFG"}
        if hidden:
            self.error(
                "DRC INBB-3", f"Black Box Instances: cell of type '{hidden.pop()}' has undefined contents"
            )
        for name, source in self.sources.items():
            # A default that every instance overrides is no file.
            given = re.sub(r"\bparameter\b[^,)]*", "", source)
            for image in re.findall(r'"([\w./]+\.mem)"', given):
                if not Path(image).is_file():
                    self.error("Synth 8-4445", f"could not open $readmem data file '{image}' [{name}:1]")
        for name in self.xdc:
            Tcl(self.bind(CONSTRAINTS)).run(Path(name).read_text())
        if not (self.held or self.ooc):
            self.error("Opt 31-67", "the design is empty: nothing drives a pin")
        self.say(
            "INFO: [Synth 8-6157] synthesizing module '" + self.top + "' [" + next(iter(self.sources)) + ":1]"
        )

    def opt_design(self, options):
        available = 53_200
        if self.config["lut"] > available:
            self.error(
                "DRC UTLZ-1",
                "Resource utilization: Slice LUTs over-utilized in Top Level Design (This design requires "
                "more Slice LUTs cells than are available in the target device. This design requires "
                f"{self.config['lut']} of such cell types but only {available} compatible sites are there)",
            )

    def route_design(self, options):
        if options.get("-directive") in PLACE_ONLY:
            self.error(
                "Common 17-69", f"Command failed: '{options['-directive']}' is no directive of route_design."
            )
        if self.config["setup"] < 0:
            self.say("CRITICAL WARNING: [Timing 38-282] The design failed to meet the timing requirements.")

    def get_timing_paths(self, options):
        if not self.clocks:
            return ""
        return f"path_{options['-delay_type']}"

    def get_property(self, options, name, target):
        if name != "SLACK" or not target.startswith("path_"):
            self.error("Common 17-142", f"Unknown object property '{name}'.")
        return f"{self.config['setup' if target == 'path_max' else 'hold']:.3f}"

    # -- reports -----------------------------------------------------------------------------------

    def report_utilization(self, options):
        if "-hierarchical" in options:
            return Path(options["-file"]).write_text("| Instance | Module | Total LUTs |\n") and ""
        synth = "route_design" not in self.done
        Path(options["-file"]).write_text(utilization(self.config, synth))
        return ""

    def report_timing_summary(self, options):
        if not {"-delay_type", "-file"} <= options.keys():
            self.error("Common 17-69", "Command failed: no file.")
        Path(options["-file"]).write_text(timing(self.config, *next(iter(self.clocks.items()))))

    def report_power(self, options):
        Path(options["-file"]).write_text((HERE / "power.rpt").read_text())

    def report_route_status(self, options):
        Path(options["-file"]).write_text(
            "Design Route Status\n# of nets with routing errors.. :           0 :\n"
        )

    def report_drc(self, options):
        Path(options["-file"]).write_text("Report DRC\n             Violations found: 0\n")

    def write_checkpoint(self, options, name):
        Path(name).write_bytes(b"PK")

    def write_bitstream(self, options, name):
        if self.ooc:
            self.error("DRC HDOOC-3", "Bitstream generation is not allowed for an out of context design.")
        spec = importlib.util.spec_from_file_location("tools", HERE.parent / "openxc7" / "tools.py")
        tools = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tools)
        idcode = int(self.config.get("idcode", "03727093"), 16)
        Path(name).write_bytes(tools.bit_file("7z020clg400", idcode, 1_011_391))


def _year(config):
    return tuple(map(int, config["version"].split(".")[:2]))


def utilization(config, synth):
    """Return a utilisation report; from 2021.1 on it has one column more."""
    more = _year(config) >= (2021, 1)
    star = "*" if synth else ""
    lut = config["lut"]
    tables = (
        ("Slice Logic", ((f"Slice LUTs{star}", lut, 53200), ("  LUT as Logic", lut - 160, 53200))),
        ("", (("  LUT as Memory", 160, 17400), ("Slice Registers", 6674, 106400))),
        ("Memory", (("Block RAM Tile", 27.5, 140), ("  RAMB36/FIFO*", 13, 140), ("  RAMB18", 29, 280))),
        ("DSP", (("DSPs", 88, 220), ("  DSP48E1 only", 88, ""))),
        ("Specific Feature", (("BSCANE2", 0, 4), ("PS7", 1, 1))),
    )
    lines = [
        "Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.",
        f"| Tool Version : Vivado v.{config['version']}",
    ]
    lines += ["| Device       : 7z020clg400-1", ""]
    for title, rows in tables:
        columns = ["Site Type", "Used", "Fixed", *(["Prohibited"] if more else []), "Available", "Util%"]
        rule = "+".join(["", *("-" * 18 for _ in columns), ""])
        lines += [
            title,
            "-" * len(title),
            "",
            rule,
            "|".join(["", *(f" {name:<16} " for name in columns), ""]),
            rule,
        ]
        for name, used, there in rows:
            share = f"{100 * used / there:.2f}" if there else ""
            cells = [name, used, "0", *(["0"] if more else []), there, share]
            lines.append("|".join(["", *(f" {cell!s:<16} " for cell in cells), ""]))
        lines += [rule, ""]
    return "\n".join(lines) + "\n"


def timing(config, clock, period):
    """Return a timing summary with one path, as Vivado lays it out."""
    setup, hold = config["setup"], config["hold"]
    failing = [17 if slack < 0 else 0 for slack in (setup, hold)]
    tns = [17 * min(0.0, slack) for slack in (setup, hold)]
    verdict = "MET" if setup >= 0 else "VIOLATED"
    delay = period - setup - 0.2
    text = (HERE / "timing.rpt").read_text()
    values = {
        "version": config["version"],
        "unclocked": config.get("unclocked", 0),
        "wns": f"{setup:.3f}",
        "tns": f"{tns[0]:.3f}",
        "tns_failing": failing[0],
        "whs": f"{hold:.3f}",
        "ths": f"{tns[1]:.3f}",
        "ths_failing": failing[1],
        "wpws": f"{config.get('pulse', 3.75):.3f}",
        "tpws_failing": 2 if config.get("pulse", 3.75) < 0 else 0,
        "verdict": verdict,
        "clock": clock,
        "period": f"{period:.3f}",
        "delay": f"{delay:.3f}",
        "logic": f"{delay * 0.4:.3f}",
        "route": f"{delay * 0.6:.3f}",
    }
    return re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), text)


def main(config_file, *arguments):
    config = json.loads(Path(config_file).read_text())
    if arguments == ("-version",):
        # Some releases write their name small.
        name = "vivado" if _year(config) >= (2023, 2) else "Vivado"
        print(f"{name} v{config['version']} (64-bit)\nSW Build 3526262 on Mon Apr 18 15:47:01 MDT 2022")
        return 0
    expected = ("-mode", "batch", "-nojournal", "-notrace", "-log", "vivado.log", "-source")
    if arguments[:-1] != expected:
        print(f"ERROR: [Common 17-170] Unknown option in {arguments}")
        return 1
    with Path("vivado.log").open("w") as log:
        session = Session(config, log)
        session.say(f"****** Vivado v{config['version']} (64-bit)\nsource {arguments[-1]} -notrace")
        try:
            Tcl(session.bind(COMMANDS)).run(Path(arguments[-1]).read_text())
        except ExitError as stop:
            return stop.args[0]
        except TclError as error:
            session.say(str(error))
            session.say(f'    while executing\n"source {arguments[-1]}"')
            session.say("INFO: [Common 17-206] Exiting Vivado at Mon Nov 23 18:00:00 2026...")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
