"""Timings and devices estimated from a number or two."""
