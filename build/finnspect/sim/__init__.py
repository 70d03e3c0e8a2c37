"""Cycle-accurate simulation with Verilator."""
