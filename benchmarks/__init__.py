"""Figures that the documentation quotes, measured side by side with a reference: `python -m
benchmarks`.
"""
