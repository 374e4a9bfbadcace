"""The method of arXiv 2503.21476 itself, as the reference that the exact one is measured against.

The modelling language takes seconds to load: only `solve.reference` may import this package, and
that only when asked.
"""

from solvers.robust.pccp.alternation import NoStart, PccpSolution, pccp, relaxed_cuts, starts
from solvers.robust.pccp.programs import Penalty

__all__ = ["NoStart", "PccpSolution", "Penalty", "pccp", "relaxed_cuts", "starts"]
