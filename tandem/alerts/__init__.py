"""Alert rules with hysteresis and cool-down; delivery by channel.

    alerts = open_alerts(settings, store)
    alerts.start()
    alerts.observe(readings)

Readings come from `tandem.surveillance`. Secrets come from the settings alone; no text,
log line or error holds one.
"""
