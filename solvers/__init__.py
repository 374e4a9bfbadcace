"""The science: SI units only; no web, no database, no pydantic.

The same code runs in a notebook.
"""
