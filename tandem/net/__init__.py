"""Every request to a venue over HTTP: one client, and the budget each venue allows."""
