"""Compiled loops: arrays in, arrays out. No checks here; `analytics` is the door."""
