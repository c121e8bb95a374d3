"""Measurements. Each prints what it measured, on what machine, and asserts nothing."""
