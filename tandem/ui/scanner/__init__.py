"""The Scanner page."""
