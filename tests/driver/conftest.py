"""Two environments run these tests: finnspect's own, and a small one with PYNQ and numpy 1.x as on a board.

``test_host_*`` compare the driver with finnspect, ``test_virtual*`` simulate, ``test_serve*`` need a web
framework: those are for finnspect's. ``test_pynq_*`` need PYNQ, which cannot be installed beside finnspect.
Everything else runs in both. `make test-driver` runs the small one.
"""

import importlib.util

# The folder tests/finnspect looks like a package without files: it does not count.
_SPEC = importlib.util.find_spec("finnspect")
HAVE_FINNSPECT = _SPEC is not None and _SPEC.origin is not None
collect_ignore_glob = (
    ["test_pynq_*.py"] if HAVE_FINNSPECT else ["test_host_*.py", "test_virtual*.py", "test_serve*.py"]
)
