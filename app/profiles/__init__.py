"""Devices, models, channels, servers and timings: stored once, revised for ever, never changed."""
