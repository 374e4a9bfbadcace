"""The kinds of profile as JSON: what a caller may write, in SI units, decibels where the name says
so.
"""
