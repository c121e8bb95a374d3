"""The Surveillance page."""
