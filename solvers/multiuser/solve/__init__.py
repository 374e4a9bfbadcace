"""Shares and cuts for many users (`solve`), the table for one (`build_table`), and what plans are
compared with.
"""

from solvers.multiuser.solve.answer import solve
from solvers.multiuser.solve.baselines import Baseline, baselines
from solvers.multiuser.solve.decided import Answer
from solvers.multiuser.solve.envelope import build_table, pin
from solvers.multiuser.solve.steadiness import SteadinessPrice, price_of_steadiness

__all__ = [
    "Answer",
    "Baseline",
    "SteadinessPrice",
    "baselines",
    "build_table",
    "pin",
    "price_of_steadiness",
    "solve",
]
