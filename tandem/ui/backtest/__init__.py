"""The Backtest page."""
