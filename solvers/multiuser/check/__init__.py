"""The independent check: plans and tables recomputed from the question alone."""

from solvers.multiuser.check.decision import TOLERANCE, check
from solvers.multiuser.check.table import check_table

__all__ = ["TOLERANCE", "check", "check_table"]
