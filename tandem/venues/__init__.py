"""Venues: one file each, and nothing here opens a socket."""
