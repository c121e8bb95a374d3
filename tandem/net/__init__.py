"""HTTP requests to venues, within the rate limit of each."""
