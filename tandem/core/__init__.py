"""Shared by every part: errors, instruments, events, clock, bars."""
