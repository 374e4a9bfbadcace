"""Placements and tables of least expected cost, by backward induction or look-ahead."""

from solvers.stopping.solve.answer import solve

__all__ = ["solve"]
