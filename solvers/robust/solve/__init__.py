"""Least-energy cuts, clocks and shares of a cell, proven or by the alternation."""

from solvers.robust.solve.answer import attempt, enter, solve
from solvers.robust.solve.certified import RobustSolution

__all__ = ["RobustSolution", "attempt", "enter", "solve"]
