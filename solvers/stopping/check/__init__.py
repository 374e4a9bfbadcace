"""The independent check: tables evaluated from problem and decision alone, by other integrals."""

from solvers.stopping.check.review import BOUND_TOLERANCE, TOLERANCE, check

__all__ = ["BOUND_TOLERANCE", "TOLERANCE", "check"]
