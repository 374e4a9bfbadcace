"""The same pricing, completion and search by the compiled kernel; whatever it does not cover is
numpy's.
"""
