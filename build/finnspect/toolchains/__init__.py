"""Wrappers of synthesis and place-and-route tools, one file a tool."""
