"""How many threads training and export use, and what they do while they wait.

OpenMP's threads spin while they wait for each other. Where other work runs beside them, a thread then
waits, at full load, for one that has no core: training was seen to take several times as long. Passive
threads sleep instead, which costs little on an idle machine. One thread a physical core is enough: two
threads of a core share its multipliers.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(topology: Path = _TOPOLOGY, quota: Path = _QUOTA) -> int:
    """Return the number of physical cores that this process may use, at least 1.

    Parameters
    ----------
    topology, quota
        Where Linux tells which logical processors share a core, and the processor time of a container.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for cpu in allowed:
        folder = topology / f"cpu{cpu}" / "topology"
        try:
            package = (folder / "physical_package_id").read_text().strip()
            cores.add((package, (folder / "core_id").read_text().strip()))
        except OSError:  # not Linux, or hidden: count it as a core
            cores.add(("", str(cpu)))
    count = len(cores)
    with contextlib.suppress(OSError, ValueError):
        share, period = quota.read_text().split()
        count = min(count, -(-int(share) // int(period)))  # "max" is no number: no limit
    return max(1, count)


def settle_threads(limit: int | None = None) -> int:
    """Choose torch's threads for this process and return their number.

    Call it before torch is imported where possible: OpenMP reads its waiting policy once. A number
    that the user gave OpenMP (``OMP_NUM_THREADS``) stays.

    Parameters
    ----------
    limit
        At most so many threads.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(usable_cores(), limit or usable_cores()))
    with contextlib.suppress(RuntimeError):  # work has begun: the number is fixed by now
        torch.set_num_interop_threads(1)
    return torch.get_num_threads()
