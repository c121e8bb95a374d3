"""What is unusual in a market, trade by trade and bar by bar; batch and stream give the same."""
