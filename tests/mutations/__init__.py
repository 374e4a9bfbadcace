"""Faults planted in the solvers' formulas, and who notices."""
