"""Puts ``tests/`` on the import path, so that test modules share ``graphs.py``."""
