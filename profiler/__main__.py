"""`python -m profiler`."""

from profiler.command import program

program()
