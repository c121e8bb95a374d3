"""Gaps filled by REST: trades where the venue has them, else candles."""
