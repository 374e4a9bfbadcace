"""Measured power over HTTP and in files."""
