"""Devices: registers and memory, on a board or on the virtual board."""
