"""One file per venue: addresses, subscriptions, parsers; no sockets."""
