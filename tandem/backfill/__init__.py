"""Filling the gaps of the record by REST: trades where they can be had, else candles."""
