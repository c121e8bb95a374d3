"""Health, metrics, logs, and the word of a service to its manager."""
