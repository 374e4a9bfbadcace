"""The independent check: limits, energy and a lower bound from problem and decision alone."""

from solvers.robust.check.admission import most_value
from solvers.robust.check.conflict import refuted
from solvers.robust.check.limits import check
from solvers.robust.check.verdict import prove

__all__ = ["check", "most_value", "prove", "refuted"]
