"""Copies of a SQLite database that stand by themselves, and the way back to one."""
