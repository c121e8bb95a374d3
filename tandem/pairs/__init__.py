"""A pair bar by bar, all watched pairs, and what the live page shows of them."""
