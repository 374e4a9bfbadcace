"""Figures of plans and profiles: what is in one is said once, as data, and drawn here as SVG and by
the client with matplotlib.
"""
