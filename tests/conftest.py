"""Puts ``tests/`` on the import path, so that test modules share ``graphs.py``, and hears Ctrl-C."""

import signal

# A shell starts its background jobs with SIGINT ignored, and their children inherit that: tests of what an
# interrupt leaves behind would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
