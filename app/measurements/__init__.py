"""Measured times in, moments and new revisions of timings out; times observed in production held
against them.
"""
