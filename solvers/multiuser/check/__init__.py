"""The independent check: plans and tables recomputed from the question alone, and a lower bound."""

from solvers.multiuser.check.admission import most_value
from solvers.multiuser.check.decision import TOLERANCE, check
from solvers.multiuser.check.table import check_table
from solvers.multiuser.check.verdict import prove

__all__ = ["TOLERANCE", "check", "check_table", "most_value", "prove"]
