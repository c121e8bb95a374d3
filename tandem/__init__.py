"""Tandem: a live pairs-trading workbench."""
