"""Loops compiled by Numba: arrays in, arrays out, nothing checked.

`analytics`, `backtest`, `scanner` and `surveillance` check what they pass in.
"""
