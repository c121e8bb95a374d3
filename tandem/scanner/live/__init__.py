"""All instruments of a venue at once: a minute's last price of each, scanned on a schedule."""
