"""Health, metrics, logs, and notifications to a service manager."""
