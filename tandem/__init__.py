"""Tandem: a live pairs-trading workbench."""

__version__ = "0.1.0"
