"""Live pairs bar by bar: hedge, spread, z, signal, paper position."""
