"""Measurements and observations as JSON."""
