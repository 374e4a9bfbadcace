"""Measured times: their moments, their fit over clocks, and what speaks against resting a plan on
them.
"""
