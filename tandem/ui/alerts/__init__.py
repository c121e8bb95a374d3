"""Alerts: list, rules, channels and toasts, on the Surveillance page and on every other."""
