"""Backtests: two legs with real accounting, and the question whether it was luck."""
