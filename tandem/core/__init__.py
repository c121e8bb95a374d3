"""What every part of Tandem shares: errors, instruments, events, time, bars, threads."""
