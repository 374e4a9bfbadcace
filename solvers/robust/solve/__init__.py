"""Least-energy cuts, clocks and shares of a cell, proven or by the alternation."""

from solvers.robust.solve.answer import RobustSolution, attempt, enter, solve

__all__ = ["RobustSolution", "attempt", "enter", "solve"]
